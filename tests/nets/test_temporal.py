from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate
from torch import nn

from sparcell.nets.temporal import Conv3D, ConvGRU, ConvLSTM, TemporalMerge

pytestmark = pytest.mark.usefixtures("one_thread")
KINDS = ("conv3d", "convgru", "convlstm")


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def convolve(layer: nn.Conv2d, *planes: np.ndarray) -> np.ndarray:
    """The layer on stacked (C, Y, X) planes, by loops over channels and SciPy."""
    given = np.concatenate(planes)
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    return np.stack(
        [
            sum(
                correlate(plane, kernel, mode="constant")
                for plane, kernel in zip(given, kernels, strict=True)
            )
            + offset
            for kernels, offset in zip(weight, bias, strict=True)
        ]
    )


def frames_of(count: int, width: int = 2) -> np.ndarray:
    return np.random.default_rng(count).standard_normal((count, width, 5, 6)).astype(np.float32)


def last_state(cell: nn.Module, frames: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return cell(torch.from_numpy(frames[None]))[0].numpy()


@pytest.mark.parametrize("count", [3, 5])
def test_conv_gru_follows_its_equations(count: int) -> None:
    torch.manual_seed(0)
    cell, frames = ConvGRU(2), frames_of(count)
    state = np.zeros_like(frames[0])
    for frame in frames:
        update, reset = np.split(sigmoid(convolve(cell.gates, frame, state)), 2)
        candidate = np.tanh(convolve(cell.candidate, frame, reset * state))
        state = (1 - update) * state + update * candidate
    np.testing.assert_allclose(last_state(cell, frames), state, atol=1e-5)


@pytest.mark.parametrize("count", [3, 5])
def test_conv_lstm_follows_its_equations(count: int) -> None:
    torch.manual_seed(0)
    cell, frames = ConvLSTM(2), frames_of(count)
    state = memory = np.zeros_like(frames[0])
    for frame in frames:
        enter, forget, leave, candidate = np.split(convolve(cell.gates, frame, state), 4)
        memory = sigmoid(forget) * memory + sigmoid(enter) * np.tanh(candidate)
        state = sigmoid(leave) * np.tanh(memory)
    np.testing.assert_allclose(last_state(cell, frames), state, atol=1e-5)


def test_conv_lstm_of_one_pixel_by_hand() -> None:
    cell = ConvLSTM(1)
    for weight in cell.parameters():
        nn.init.zeros_(weight)
    with torch.no_grad():
        # All gates half open; the candidate is tanh(x): c = 0.5 c + 0.5 tanh(x).
        cell.gates.weight[3, 0, 1, 1] = 1
    frames = np.array([1.0, -2.0], np.float32).reshape(2, 1, 1, 1)
    memory = 0.5 * (0.5 * np.tanh(1)) + 0.5 * np.tanh(-2)
    assert last_state(cell, frames).item() == pytest.approx(0.5 * np.tanh(memory), abs=1e-6)


def test_conv3d_is_a_sum_over_frames_of_convolutions() -> None:
    torch.manual_seed(0)
    layer, frames = Conv3D(2, 3), frames_of(3)
    weight = layer.convolution.weight.detach().numpy()
    expected = layer.convolution.bias.detach().numpy()[:, None, None] + np.stack(
        [
            sum(
                correlate(frames[t, channel], weight[out, channel, t], mode="constant")
                for t in range(3)
                for channel in range(2)
            )
            for out in range(2)
        ]
    )
    np.testing.assert_allclose(last_state(layer, frames), expected, atol=1e-5)


@pytest.mark.parametrize("frames", [2, 3, 5])
@pytest.mark.parametrize("kind", KINDS)
def test_frames_of_one_item_are_merged_and_no_others(kind: str, frames: int) -> None:
    torch.manual_seed(0)
    merge = TemporalMerge(kind, 4, frames)
    features = torch.randn(2 * frames, 4, 6, 5)
    with torch.inference_mode():
        both, second = merge(features), merge(features[frames:])
    assert both.shape == (2, 4, 6, 5)
    torch.testing.assert_close(both[1:], second)


@pytest.mark.parametrize("kind", KINDS)
def test_every_frame_and_their_order_matter(kind: str) -> None:
    torch.manual_seed(0)
    merge, features = TemporalMerge(kind, 4, 3), torch.randn(3, 4, 6, 6, requires_grad=True)
    answer = merge(features)
    answer.square().sum().backward()
    assert (features.grad.abs().sum(dim=(1, 2, 3)) > 0).all()
    assert not torch.allclose(merge(features.flip(0)), answer)


@pytest.mark.parametrize("cell", [ConvGRU, ConvLSTM])
def test_each_state_is_the_last_one_of_the_frames_up_to_it(cell: type[nn.Module]) -> None:
    torch.manual_seed(0)
    recurrent, frames = cell(2), torch.from_numpy(frames_of(5)[None])
    with torch.inference_mode():
        each = recurrent.each(frames)
        for t in range(5):
            torch.testing.assert_close(each[:, t], recurrent(frames[:, : t + 1]))


@pytest.mark.parametrize("count", [2, 3, 5])
def test_conv3d_for_every_frame_is_centred_on_each(count: int) -> None:
    torch.manual_seed(0)
    layer, frames = Conv3D(2, count, every_frame=True), frames_of(count)
    weight = layer.convolution.weight.detach().numpy()
    bias = layer.convolution.bias.detach().numpy()[:, None, None]
    with torch.inference_mode():
        each = layer.each(torch.from_numpy(frames[None]))[0].numpy()
    assert each.shape == frames.shape
    for t in range(count):
        # Tap k sees the frame k - count // 2 away; beyond the frames there are zeros.
        seen = [(k, t + k - count // 2) for k in range(count) if 0 <= t + k - count // 2 < count]
        expected = bias + np.stack(
            [
                sum(
                    correlate(frames[at, channel], weight[out, channel, k], mode="constant")
                    for k, at in seen
                    for channel in range(2)
                )
                for out in range(2)
            ]
        )
        np.testing.assert_allclose(each[t], expected, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_every_frame_is_answered_in_training_and_the_last_one_after_it(kind: str) -> None:
    torch.manual_seed(0)
    merge, features = TemporalMerge(kind, 4, 3, every_frame=True), torch.randn(6, 4, 6, 5)
    with torch.inference_mode():
        training, finished = merge(features), merge.eval()(features)
    assert training.shape == (6, 4, 6, 5) and finished.shape == (2, 4, 6, 5)
    # Items follow each other, each with its frames.
    torch.testing.assert_close(training[[2, 5]], finished)
