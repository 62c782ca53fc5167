"""Activations, initial weights, scales of elements and mirrored convolutions."""

import math

import numpy as np
import pytest
import torch
from twisterl import nn
from twisterl.nn.activations import ACTIVATIONS


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name):
    x = torch.linspace(-2, 2, 12).reshape(3, 4)
    assert nn.get_activation(name)(x).shape == x.shape
    if "softmax" in name:
        total = nn.get_activation(name)(x)
        total = (total.exp() if "log" in name else total).sum(-1)
        torch.testing.assert_close(total, torch.ones(3))


def test_squares_and_unknown_names():
    assert nn.SquaredReLU()(torch.tensor([-2.0, 3.0])).tolist() == [0, 9]
    with pytest.raises(ValueError, match="name"):
        nn.get_activation("step")


@pytest.mark.parametrize("make", [torch.nn.Linear, torch.nn.RNN, torch.nn.GRU])
@pytest.mark.parametrize("uniform", [False, True])
def test_orthogonal_weights_and_small_biases(make, uniform):
    torch.manual_seed(0)
    layer = make(5, 300)
    nn.init_param(layer, uniform_bias=uniform)
    for name, parameter in layer.named_parameters():
        if "weight" in name:
            torch.testing.assert_close(
                torch.linalg.svdvals(parameter.detach()), torch.ones(min(parameter.shape)),
                atol=1e-4, rtol=0,
            )  # fmt: skip
        else:
            width = 1 / math.sqrt(parameter.numel())
            spread = width / math.sqrt(3) if uniform else width
            assert parameter.std().item() == pytest.approx(spread, rel=0.2)
            assert not uniform or bool((parameter.abs() <= width).all())


def test_an_lstm_remembers_at_first():
    lstm = torch.nn.LSTM(3, 4, 2)
    nn.init_param(lstm)
    assert torch.equal(lstm.weight_hh_l1, torch.eye(4).repeat(4, 1))
    assert lstm.bias_ih_l0.tolist() == [0.0] * 4 + [1.0] * 4 + [0.0] * 8
    assert not lstm.bias_hh_l0.any()
    nn.init_param(lstm, t_max=20)
    enter, forget, *others = lstm.bias_ih_l1.detach().chunk(4)
    assert torch.equal(enter, -forget) and bool(((forget >= 0) & (forget <= math.log(19))).all())
    assert not lstm.bias_hh_l1.any() and not torch.cat(others).any()
    with pytest.raises(ValueError, match="t_max"):
        nn.init_param(lstm, t_max=2)


@pytest.mark.parametrize("size", range(1, 8))
@pytest.mark.parametrize("make", [torch.nn.Conv1d, nn.MirrConv1d])
def test_bells(size, make):
    conv = make(2, 3, size)
    nn.init_param(conv, bell=True)
    kernel = (conv.kernel() if make is nn.MirrConv1d else conv.weight).detach()
    assert kernel.shape == (3, 2, size)
    torch.testing.assert_close(kernel, kernel.flip(-1))
    assert torch.equal(kernel.amax(-1), kernel[..., size // 2])
    assert bool((kernel.amax(-1) <= 1).all())


def test_other_layers_stay():
    norm = torch.nn.LayerNorm(3)
    before = norm.weight.detach().clone()
    nn.init_param(norm, bell=True)
    assert torch.equal(norm.weight, before)


@pytest.mark.parametrize("seed", range(20))
def test_each_element_has_its_scale(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 5))
    functions = [(np.tanh, torch.tanh), (np.abs, torch.abs)]
    picked = [functions[i] for i in rng.integers(0, 2, n)]
    is_list = seed % 2 == 1
    nonlin = [f for _, f in picked] if is_list else torch.tanh
    layer = nn.IndiNonlinLayer(n, nonlin, bias=seed % 3 > 0, weight=seed % 4 > 0).double()
    x = rng.normal(size=(*rng.integers(1, 4, rng.integers(0, 3)), n))
    w, b = np.ones(n), np.zeros(n)
    with torch.no_grad():
        for parameter, values in ((layer.weight, w), (layer.bias, b)):
            if parameter is not None:
                assert np.array_equal(parameter.numpy(), values)
                values += rng.normal(size=n)
                parameter.copy_(torch.tensor(values))
    y = w * (x + b)
    expected = np.tanh(y)
    if is_list:
        expected = np.stack([f(y[..., i]) for i, (f, _) in enumerate(picked)], -1)
    given = torch.tensor(x, requires_grad=True)
    told = layer(given)
    np.testing.assert_allclose(told.detach().numpy(), expected, rtol=1e-12)
    told.sum().backward()
    assert given.grad.shape == given.shape
    assert all(parameter.grad is not None for parameter in layer.parameters())
    nn.init_param(layer)
    assert all(set(p.flatten().tolist()) <= {0.0, 1.0} for p in layer.parameters())


def test_scales_of_other_sizes():
    with pytest.raises(ValueError, match="nonlin"):
        nn.IndiNonlinLayer(3, [torch.tanh], bias=True)
    with pytest.raises(TypeError, match="nonlin"):
        nn.IndiNonlinLayer(3, "tanh", bias=True)
    with pytest.raises(ValueError, match="x"):
        nn.IndiNonlinLayer(3, torch.tanh, bias=True)(torch.zeros(4))


@pytest.mark.parametrize("mode", ["circular", "zeros", "reflect"])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_mirrored_convolutions(mode, size):
    torch.manual_seed(size)
    padding = size - 1
    conv = nn.MirrConv1d(2, 3, size, padding=padding, padding_mode=mode).double()
    assert conv.weight.shape == (3, 2, (size + 1) // 2) and conv.bias is None
    x = torch.randn(2, 2, 9, dtype=torch.float64)
    half = conv.weight.detach().numpy()
    kernel = np.concatenate((half, half[..., : size // 2][..., ::-1]), -1)
    sides = (padding // 2, padding - padding // 2) if mode == "circular" else (padding, padding)
    kind = {"circular": "wrap", "zeros": "constant", "reflect": "reflect"}[mode]
    padded = np.pad(x.numpy(), ((0, 0), (0, 0), sides), kind)
    length = padded.shape[-1] - size + 1
    windows = np.stack([padded[..., i : i + size] for i in range(length)], 2)
    told = conv(x)
    np.testing.assert_allclose(
        told.detach(), np.einsum("bclk,ock->bol", windows, kernel), atol=1e-12
    )
    assert mode != "circular" or told.shape[-1] == 9
    told.sum().backward()
    assert bool(conv.weight.grad.any())


def test_mirrored_convolutions_of_other_modes():
    with pytest.raises(ValueError, match="padding_mode"):
        nn.MirrConv1d(1, 1, 3, padding_mode="reflected")
