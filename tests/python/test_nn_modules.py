"""The modules of rl8 against NumPy, over random arguments and shapes."""

import math

import nn_oracles as oracles
import numpy as np
import pytest
import torch
from nn_oracles import FUNCTIONS, weights_of
from twisterl import nn
from twisterl.envs import Puzzle
from twisterl.rl import AZ

KINDS = ("cat", "residual", None)
NAMES = tuple(FUNCTIONS)


def cases(count):
    return pytest.mark.parametrize("seed", range(count))


def begun(seed):
    torch.manual_seed(seed)
    return np.random.default_rng(seed)


def pick(rng, options):
    return options[rng.integers(len(options))]


def close(told, expected, atol=1e-9):
    np.testing.assert_allclose(told.detach().numpy(), expected, rtol=1e-7, atol=atol)


def numbers(rng, *sizes):
    return torch.tensor(rng.normal(size=sizes))


@cases(50)
def test_stacks_of_layers(seed):
    rng = begun(seed)
    widths = [int(n) for n in rng.integers(1, 6, rng.integers(2, 5))]
    name, bias = pick(rng, NAMES), bool(seed % 3)
    norm = torch.nn.LayerNorm if seed % 2 else None
    mlp = nn.MLP(
        widths[0], widths[1:], activation_fn=name, norm_layer=norm, bias=bias,
        inplace=seed % 5 == 0, dropout=0.5,
    ).double().eval()  # fmt: skip
    lead = rng.integers(1, 4, rng.integers(0, 3))
    x = numbers(rng, *lead, widths[0])
    w, y, place = weights_of(mlp), x.numpy(), 0
    for _ in widths[1:-1]:
        y, place = oracles.linear(w, f"{place}", y), place + 1
        if norm:
            y, place = oracles.layer_norm(w, f"{place}", y), place + 1
        y, place = FUNCTIONS[name](y), place + 2
    y = oracles.linear(w, f"{place}", y)
    close(mlp(x), y)
    assert isinstance(mlp, torch.nn.Sequential) and len(mlp) == place + 1
    assert isinstance(mlp[-1], torch.nn.Linear) and mlp.out_features == widths[-1]
    # An activation that writes over its input leaves gradients as they are.
    mlp.train()(x).sum().backward()


@cases(25)
def test_places_of_tokens(seed):
    rng = begun(seed)
    width, most = (int(n) for n in rng.integers(1, 9, 2))
    layer = nn.PositionalEmbedding(width, most, dropout=0.3).double().eval()
    length = int(rng.integers(1, most + 1))
    x = numbers(rng, 2, length, width)
    pe = np.zeros((length, width))
    for t in range(length):
        for i in range(width):
            angle = t * 10000 ** (-2 * (i // 2) / width)
            pe[t, i] = math.cos(angle) if i % 2 else math.sin(angle)
    close(layer(x), x.numpy() + pe, 1e-6)
    assert not list(layer.parameters()) and layer.state_dict()["pe"].shape == (most, width)
    with pytest.raises(ValueError, match="x: "):
        layer(torch.zeros(1, most + 1, width))


@cases(30)
def test_skips_in_a_row(seed):
    rng = begun(seed)
    width, kind = int(rng.integers(1, 5)), KINDS[seed % 3]
    chain = nn.SequentialSkipConnection(width, kind).double()
    count = int(rng.integers(0, 4))
    layers = [torch.nn.Linear(width, width).double() for _ in range(count)]
    assert [chain.append(layer) for layer in layers] == list(range(1, count + 1))
    lead = rng.integers(1, 4, rng.integers(0, 3))
    x, y = numbers(rng, *lead, width), numbers(rng, *lead, width)
    w = weights_of(chain)
    told = oracles.skip(w, kind, 0, x.numpy(), y.numpy())
    for place in range(count):
        inner = oracles.linear(w, f"blocks.{place}", told)
        told = oracles.skip(w, kind, place + 1, told, inner)
    close(chain(x, y), told)
    assert chain.in_features == chain.out_features == width


def attending(rng):
    """Heads, the constructor's other arguments, and E."""
    heads = int(rng.integers(1, 4))
    options = {
        "num_heads": heads,
        "hidden_dim": int(rng.integers(1, 6)),
        "activation_fn": pick(rng, NAMES),
        "skip_kind": pick(rng, KINDS),
    }
    return heads * int(rng.integers(1, 3)), options


def masks(rng, rows, choosers, choices, seed):
    """Masks that leave one choice at least."""
    padding = torch.tensor(rng.random((rows, choices)) < 0.4)
    forbidden = torch.tensor(rng.random((choosers, choices)) < 0.4)
    padding[:, 0], forbidden[:, 0] = False, False
    return (padding if seed % 2 else None), (forbidden if seed % 3 else None)


def numpied(options):
    return options["num_heads"], options["skip_kind"], options["activation_fn"]


def plain(given):
    return [None if mask is None else mask.numpy() for mask in given]


@cases(40)
def test_attention_to_others(seed):
    rng = begun(seed)
    width, options = attending(rng)
    layer = nn.CrossAttention(width, **options, hidden_dropout=0.5, attention_dropout=0.5)
    layer.double().eval()
    rows, choosers, choices = (int(n) for n in rng.integers(1, 4, 3))
    q, kv = numbers(rng, rows, choosers, width), numbers(rng, rows, choices, width)
    given = masks(rng, rows, choosers, choices, seed)
    expected = oracles.cross(
        weights_of(layer), *numpied(options), q.numpy(), kv.numpy(), *plain(given)
    )
    close(layer(q, kv, *given), expected)


@cases(40)
def test_attention_to_each_other(seed):
    rng = begun(seed)
    width, options = attending(rng)
    count, is_shared = int(rng.integers(1, 4)), seed % 2 == 0
    first = nn.SelfAttention(width, **options)
    layer = nn.SelfAttentionStack(first, count, share_parameters=is_shared).double()
    for parameter in layer.parameters():
        # Copies are told apart.
        parameter.data += 0.1 * torch.randn_like(parameter)
    rows, length = (int(n) for n in rng.integers(1, 4, 2))
    x, given = numbers(rng, rows, length, width), masks(rng, rows, length, length, seed)
    w = weights_of(layer)
    args = (count, is_shared, *numpied(options), x.numpy(), *plain(given))
    close(layer(x, *given), oracles.stack(w, *args))
    one = oracles.own(weights_of(first), *numpied(options), x.numpy(), *plain(given))
    close(first(x, *given), one)
    sizes = [sum(p.numel() for p in each.parameters()) for each in (layer, first)]
    assert sizes[0] == sizes[1] * (1 if is_shared else count)


@cases(40)
def test_perceivers(seed):
    rng = begun(seed)
    width, options = attending(rng)
    count, is_shared = int(rng.integers(1, 3)), seed % 2 == 0
    more = {"num_layers": count, "share_parameters": is_shared}
    rows, choosers, choices, told = (int(n) for n in rng.integers(1, 4, 4))
    q, kv = numbers(rng, rows, choosers, width), numbers(rng, rows, choices, width)
    given, parts = masks(rng, rows, choosers, choices, seed), numpied(options)
    if seed % 4 < 2:
        layer = nn.PerceiverLayer(width, **options, **more).double()
        w = weights_of(layer)
    else:
        layer = nn.PerceiverIOLayer(width, told, **options, **more).double()
        w = oracles.below(weights_of(layer), "perceiver")
        bound = math.sqrt(6 / (width + told))
        assert layer.output_query.abs().max() <= bound
    latent = oracles.cross(
        oracles.below(w, "cross_attention"), *parts, q.numpy(), kv.numpy(), *plain(given)
    )
    latent = oracles.stack(oracles.below(w, "self_attention"), count, is_shared, *parts, latent)
    if seed % 4 >= 2:
        w = weights_of(layer)
        query = np.broadcast_to(w["output_query"], (rows, told, width))
        latent = oracles.cross(oracles.below(w, "output_attention"), *parts, query, latent)
    close(layer(q, kv, *given), latent)


@cases(40)
def test_pointers(seed):
    rng = begun(seed)
    rows, choosers, choices, width = (int(n) for n in rng.integers(1, 5, 4))
    layer = nn.PointerNetwork(width).double()
    w = weights_of(layer)
    dec, enc = numbers(rng, rows, choosers, width), numbers(rng, rows, choices, width)
    mask = torch.tensor(rng.random((rows, choosers, choices)) < 0.6) if seed % 3 else None
    told = layer(dec, enc, mask).exp()
    for b in range(rows):
        for d in range(choosers):
            joined = dec[b, d].numpy() @ w["W2.weight"].T + enc[b].numpy() @ w["W1.weight"].T
            scores = np.tanh(joined) @ w["v.weight"][0]
            valid = np.ones(choices, bool) if mask is None else mask[b, d].numpy()
            scores = np.where(valid, scores, -1e300) if valid.any() else np.zeros(choices)
            close(told[b, d], oracles.softmax(scores))
    assert not any("bias" in name for name in w)


class Played(torch.nn.Module):
    def __init__(self, *layers):
        super().__init__()
        self.body = torch.nn.Sequential(*layers)
        self.actor, self.critic = nn.MLP(4, [3, 4]), nn.MLP(4, [1])

    def forward(self, x):
        x = self.body(x)
        return self.actor(x), self.critic(x)


def test_the_engine_plays_a_stack_or_says_what_it_does_not():
    env = Puzzle(2, 2, 1, 2, 8)
    net = Played(torch.nn.Flatten(), nn.MLP(16, [5, 4], activation_fn="swish"))
    policy = nn.TorchPolicy(net, env.obs_shape(), 4)
    logits, value = policy.to_rust().predict(env.observe(), env.masks())
    told = policy(torch.tensor(np.eye(16)[env.observe()].sum(0)[None], dtype=torch.float32))
    legal = np.array(env.masks())
    expected = torch.softmax(told[0][0].masked_fill(~torch.tensor(legal), -1e10), 0)
    np.testing.assert_allclose(logits, expected.detach(), atol=1e-5)
    np.testing.assert_allclose(value, told[1].item(), atol=1e-5)
    AZ(env, net, {"evals": {}, "collecting": {"num_episodes": 2, "num_mcts_searches": 2}}).learn(1)
    stack = nn.SelfAttentionStack(nn.SelfAttention(4, hidden_dim=3, skip_kind="residual"), 2)
    blocks = nn.describe(Played(stack, torch.nn.Flatten(), nn.MLP(16, [4])), [4, 4], "float32")
    assert [b["block"] for b in blocks["encoder"]].count("residual") == 4
    layers = nn.SelfAttention(4, hidden_dim=3), torch.nn.Flatten(), nn.MLP(16, [4])
    with pytest.raises(TypeError, match=r"cat.* along dim -1"):
        nn.describe(Played(*layers), [4, 4])


def pointed(shape, mask=None):
    return nn.PointerNetwork(4)(torch.ones(1, 2, 4), torch.ones(shape), mask)


def masked(padding=None, forbidden=None, kv=None):
    kv = torch.ones(1, 3, 4) if kv is None else kv
    return nn.CrossAttention(4)(torch.ones(1, 2, 4), kv, padding, forbidden)


REFUSED = [
    (TypeError, "hiddens", lambda: nn.MLP(3, 4)),
    (ValueError, "hiddens", lambda: nn.MLP(3, [])),
    (TypeError, "hiddens", lambda: nn.MLP(3, [2.5])),
    (ValueError, "input_dim", lambda: nn.MLP(0, [2])),
    (ValueError, "activation_fn", lambda: nn.MLP(3, [2], activation_fn="step")),
    (ValueError, "dropout", lambda: nn.MLP(3, [2], dropout=2)),
    (TypeError, "norm_layer", lambda: nn.MLP(3, [2], norm_layer="layer")),
    (ValueError, "max_len", lambda: nn.PositionalEmbedding(3, 0)),
    (ValueError, "kind", lambda: nn.SequentialSkipConnection(3, "sum")),
    (TypeError, "module", lambda: nn.SequentialSkipConnection(3).append(len)),
    (ValueError, "y", lambda: nn.SequentialSkipConnection(3)(torch.ones(3), torch.ones(2, 2))),
    (ValueError, "embed_dim", lambda: nn.CrossAttention(5, num_heads=2)),
    (ValueError, "kind", lambda: nn.SelfAttention(4, skip_kind="sum")),
    (ValueError, "kv", lambda: nn.CrossAttention(4)(torch.ones(1, 2, 4), torch.ones(1, 2, 3))),
    (ValueError, "x", lambda: nn.SelfAttention(4)(torch.ones(2, 4))),
    (ValueError, "kv: expected shape", lambda: masked(kv=torch.ones(2, 3, 4))),
    (TypeError, "key_padding_mask: .* list", lambda: masked([[False] * 3])),
    (TypeError, "key_padding_mask: .*int64", lambda: masked(torch.zeros(1, 3, dtype=int))),
    (ValueError, r"key_padding_mask: .* \[1, 3\]", lambda: masked(torch.zeros(1, 2))),
    (TypeError, "attention_mask: .*int64", lambda: masked(None, torch.zeros(2, 3, dtype=int))),
    (ValueError, r"attention_mask: .* \[2, 3\]", lambda: masked(None, torch.zeros(3, 2))),
    (ValueError, r"attention_mask: .* \[2, 2, 3\]", lambda: masked(None, torch.zeros(1, 2, 3))),
    (TypeError, "module", lambda: nn.SelfAttentionStack(None, 2)),
    (ValueError, "num_layers", lambda: nn.SelfAttentionStack(torch.nn.Identity(), 0)),
    (ValueError, "output_seq_dim", lambda: nn.PerceiverIOLayer(4, 0)),
    (ValueError, "encoder_out", lambda: pointed((2, 2, 4))),
    (ValueError, "mask", lambda: pointed((1, 2, 4), torch.ones(1))),
]  # fmt: skip


@pytest.mark.parametrize("error, said, call", REFUSED)
def test_what_is_refused(error, said, call):
    with pytest.raises(error, match=said):
        call()
