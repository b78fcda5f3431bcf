"""Features of several frames become those of the last one."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn


class TemporalMerge(nn.Module):
    """Merge features of consecutive frames (single-cell thesis 2.3 and 3.1).

    Parameters
    ----------
    kind : {"conv3d", "convgru", "convlstm"}
        A convolution over time, or a recurrent cell that runs from the oldest frame to the last
        and answers with its last state.
    width : int
        Channels in and out.
    frames : int
    """

    def __init__(
        self, kind: Literal["conv3d", "convgru", "convlstm"], width: int, frames: int
    ) -> None:
        super().__init__()
        self.frames = frames
        cells: dict[str, type[nn.Module]] = {"convgru": ConvGRU, "convlstm": ConvLSTM}
        self.merge = Conv3D(width, frames) if kind == "conv3d" else cells[kind](width)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N * frames, W, Y, X), frames of one item together, to (N, W, Y, X)."""
        # `unflatten` would fix the sizes in an exported network.
        merged: Tensor = self.merge(features.reshape(-1, self.frames, *features.shape[1:]))
        return merged


class Conv3D(nn.Module):
    """One convolution of all frames and 3 x 3 px."""

    def __init__(self, width: int, frames: int) -> None:
        super().__init__()
        self.convolution = nn.Conv3d(width, width, (frames, 3, 3), padding=(0, 1, 1))

    def forward(self, frames: Tensor) -> Tensor:
        """Map (N, T, W, Y, X) to (N, W, Y, X)."""
        merged: Tensor = self.convolution(frames.transpose(1, 2)).squeeze(2)
        return merged


class ConvGRU(nn.Module):
    """Gated recurrent unit whose products are 3 x 3 convolutions (Ballas et al. 2016, eq. 7-10).

    For frame x and state h, zero at first: z = sigmoid(Wz [x, h]), r = sigmoid(Wr [x, h]),
    n = tanh(W [x, r h]), and the new state is (1 - z) h + z n.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gates = nn.Conv2d(2 * width, 2 * width, 3, padding=1)
        self.candidate = nn.Conv2d(2 * width, width, 3, padding=1)

    def forward(self, frames: Tensor) -> Tensor:
        """Map (N, T, W, Y, X), oldest frame first, to (N, W, Y, X)."""
        state = torch.zeros_like(frames[:, 0])
        for frame in frames.unbind(1):
            gates = self.gates(torch.cat([frame, state], dim=1)).sigmoid()
            update, reset = gates.chunk(2, dim=1)
            candidate = self.candidate(torch.cat([frame, reset * state], dim=1)).tanh()
            state = (1 - update) * state + update * candidate
        return state


class ConvLSTM(nn.Module):
    """Long short-term memory with 3 x 3 convolutions (Shi et al. 2015, eq. 3 without peepholes).

    For frame x, state h and memory c, zero at first: i, f, o = sigmoid(W [x, h]),
    g = tanh(Wg [x, h]), c = f c + i g, h = o tanh(c).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gates = nn.Conv2d(2 * width, 4 * width, 3, padding=1)

    def forward(self, frames: Tensor) -> Tensor:
        """Map (N, T, W, Y, X), oldest frame first, to (N, W, Y, X)."""
        state = memory = torch.zeros_like(frames[:, 0])
        for frame in frames.unbind(1):
            gates = self.gates(torch.cat([frame, state], dim=1))
            enter, forget, leave, candidate = gates.chunk(4, dim=1)
            memory = forget.sigmoid() * memory + enter.sigmoid() * candidate.tanh()
            state = leave.sigmoid() * memory.tanh()
        return state
