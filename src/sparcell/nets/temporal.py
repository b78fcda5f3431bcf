"""Temporal modules: merge the features of several frames."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor, nn


class TemporalMerge(nn.Module):
    """Merge features of consecutive frames (Cui 2020, 2.3 and 3.1).

    Parameters
    ----------
    kind : {"conv3d", "convgru", "convlstm"}
        A convolution over time, or the last state of a recurrent cell that runs from the oldest
        frame to the last.
    width : int
        Channels in and out.
    frames : int
    every_frame : bool
        In training give features of every frame, not only of the last.
    """

    def __init__(
        self,
        kind: Literal["conv3d", "convgru", "convlstm"],
        width: int,
        frames: int,
        every_frame: bool = False,
    ) -> None:
        super().__init__()
        self.frames, self.every_frame = frames, every_frame
        self.merge: Conv3D | Recurrent
        if kind == "conv3d":
            self.merge = Conv3D(width, frames, every_frame)
        else:
            self.merge = ConvGRU(width) if kind == "convgru" else ConvLSTM(width)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N * frames, W, Y, X), frames of one item together, to (N, W, Y, X).

        In training with `every_frame`, to (N * frames, W, Y, X).
        """
        # `unflatten` would fix the sizes in an exported network.
        frames = features.reshape(-1, self.frames, *features.shape[1:])
        if self.training and self.every_frame:
            return self.merge.each(frames).flatten(0, 1)
        merged: Tensor = self.merge(frames)
        return merged


class Conv3D(nn.Module):
    """One convolution of all frames and 3 x 3 px.

    With `every_frame` it is centred on each frame, with zeros before the first and after the
    last.
    """

    def __init__(self, width: int, frames: int, every_frame: bool = False) -> None:
        super().__init__()
        around = frames // 2 if every_frame else 0
        self.convolution = nn.Conv3d(width, width, (frames, 3, 3), padding=(around, 1, 1))

    def each(self, frames: Tensor) -> Tensor:
        """Map (N, T, W, Y, X) to the same shape, or to one frame if it is not padded in time."""
        merged: Tensor = self.convolution(frames.transpose(1, 2)).transpose(1, 2)
        # For an even number of frames, padding gives one frame too many.
        return merged[:, : frames.shape[1]]

    def forward(self, frames: Tensor) -> Tensor:
        """Map (N, T, W, Y, X) to the last of `each`, (N, W, Y, X)."""
        return self.each(frames)[:, -1]


class Recurrent(nn.Module, ABC):
    """A cell that runs from the oldest frame to the last."""

    @abstractmethod
    def states(self, frames: Tensor) -> Iterator[Tensor]:
        """Give the state (N, W, Y, X) after each of the frames (N, T, W, Y, X)."""

    def each(self, frames: Tensor) -> Tensor:
        """Map (N, T, W, Y, X) to all states, in the same shape."""
        return torch.stack(list(self.states(frames)), dim=1)

    def forward(self, frames: Tensor) -> Tensor:
        """Map (N, T, W, Y, X), oldest frame first, to the last state, (N, W, Y, X)."""
        *_, last = self.states(frames)
        return last


class ConvGRU(Recurrent):
    """Gated recurrent unit whose products are 3 x 3 convolutions (Ballas et al. 2016, eq. 7-10).

    For frame x and state h, zero at first: z = sigmoid(Wz [x, h]), r = sigmoid(Wr [x, h]),
    n = tanh(W [x, r h]), and the new state is (1 - z) h + z n.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gates = nn.Conv2d(2 * width, 2 * width, 3, padding=1)
        self.candidate = nn.Conv2d(2 * width, width, 3, padding=1)

    def states(self, frames: Tensor) -> Iterator[Tensor]:
        """Give the state (N, W, Y, X) after each of the frames (N, T, W, Y, X)."""
        state = torch.zeros_like(frames[:, 0])
        for frame in frames.unbind(1):
            gates = self.gates(torch.cat([frame, state], dim=1)).sigmoid()
            update, reset = gates.chunk(2, dim=1)
            candidate = self.candidate(torch.cat([frame, reset * state], dim=1)).tanh()
            state = (1 - update) * state + update * candidate
            yield state


class ConvLSTM(Recurrent):
    """Long short-term memory with 3 x 3 convolutions (Shi et al. 2015, eq. 3 without peepholes).

    For frame x, state h and memory c, zero at first: i, f, o = sigmoid(W [x, h]),
    g = tanh(Wg [x, h]), c = f c + i g, h = o tanh(c).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gates = nn.Conv2d(2 * width, 4 * width, 3, padding=1)

    def states(self, frames: Tensor) -> Iterator[Tensor]:
        """Give the state (N, W, Y, X) after each of the frames (N, T, W, Y, X)."""
        state = memory = torch.zeros_like(frames[:, 0])
        for frame in frames.unbind(1):
            gates = self.gates(torch.cat([frame, state], dim=1))
            enter, forget, leave, candidate = gates.chunk(4, dim=1)
            memory = forget.sigmoid() * memory + enter.sigmoid() * candidate.tanh()
            state = leave.sigmoid() * memory.tanh()
            yield state
