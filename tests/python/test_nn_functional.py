"""twisterl.nn.functional, distributions and init: against NumPy, over random arguments."""

import collections
import functools
import math

import numpy as np
import pytest
import torch
from twisterl.nn import distributions
from twisterl.nn import functional as F
from twisterl.nn.init import layer_init

INF, NAN = float("inf"), float("nan")
DTYPES = (torch.float64, torch.float32, torch.float16)
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5, torch.float16: 5e-3}
CASES = 40


def cases(count=CASES):
    return pytest.mark.parametrize("seed", range(count))


def drawn(seed, integers=False):
    """Generator, x [B, T, ...] of a random dtype, and a mask of some axes of it, as drawn."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 5, rng.integers(2, 5))
    x = torch.as_tensor(rng.normal(size=sizes) * 3).to(DTYPES[seed % 3])
    if integers and seed % 4 == 3:
        x = torch.as_tensor(rng.integers(0, 100, sizes)).to((torch.int64, torch.uint8)[seed % 2])
    kept = sizes[: rng.integers(1, len(sizes) + 1)]
    kept = np.where(rng.random(len(kept)) < 0.2, 1, kept)
    mask = torch.as_tensor(rng.random(kept) < 0.6)
    return rng, x, mask.to((torch.bool, torch.int64, torch.float32)[seed % 3])


def whole(mask, x):
    """The mask as bool of the shape of x, by NumPy."""
    mask = mask.numpy() != 0
    return np.broadcast_to(mask.reshape(*mask.shape, *[1] * (x.ndim - mask.ndim)), x.shape)


def soiled(x, valid, rng):
    """x with NaN and infinity where it does not count."""
    bad = torch.as_tensor(rng.choice([NAN, INF, -INF], size=tuple(x.shape)))
    return torch.where(torch.tensor(valid), x, bad.to(x.dtype)) if x.is_floating_point() else x


def log_density(x, mean, std):
    return -(((x - mean) / std) ** 2) / 2 - np.log(std) - np.log(2 * np.pi) / 2


def entropy_of(std):
    return np.log(std) + (1 + np.log(2 * np.pi)) / 2


def close(got, expected, dtype=torch.float32):
    np.testing.assert_allclose(
        got.detach().double().numpy(), expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype]
    )


@cases()
def test_masks_are_turned_around(seed):
    mask = drawn(seed)[2]
    told = F.binary_mask_to_float_mask(mask)
    assert told.dtype == torch.float32 and told.shape == mask.shape
    assert np.array_equal(told.numpy() == 0, mask.numpy() != 0)
    assert torch.equal(F.float_mask_to_binary_mask(told), mask != 0)
    double = F.binary_mask_to_float_mask(mask.double())
    assert double.dtype == torch.float64


def test_lengths():
    x = torch.zeros(6, 3, 2)
    lengths = torch.tensor([0.0, 1.9, 2.0, 3.0, 99.0, -2.5])
    rows = [[False] * 3, [True, False, False], [True, True, False], [True] * 3, [True] * 3]
    assert F.mask_from_lengths(x, lengths).tolist() == [*rows, [False] * 3]


@cases()
def test_averages(seed):
    rng, x, mask = drawn(seed)
    valid, dim = whole(mask, x), int(rng.integers(-x.ndim, x.ndim))
    y = soiled(x, valid, rng).requires_grad_()
    got = F.masked_avg(y, mask=mask, dim=dim, keepdim=True)
    sums = np.where(valid, x.double().numpy(), 0).sum(dim, keepdims=True)
    counts = valid.sum(dim, keepdims=True)
    close(got, np.where(counts, sums / np.maximum(counts, 1), 0), x.dtype)
    assert got.dtype == x.dtype
    assert torch.equal(F.masked_avg(y, mask=mask, dim=dim), got.squeeze(dim))
    got.sum().backward()
    close(y.grad, np.where(valid, 1 / np.maximum(counts, 1), 0), x.dtype)


@cases()
def test_maxima(seed):
    rng, x, mask = drawn(seed, integers=True)
    valid, dim = whole(mask, x), int(rng.integers(-x.ndim, x.ndim))
    values, indices = F.masked_max(soiled(x, valid, rng), mask=mask, dim=dim)
    assert values.dtype == x.dtype and values.shape == indices.shape
    least = np.finfo if x.is_floating_point() else np.iinfo
    least = least(x.numpy().dtype).min
    numbers = np.where(valid, x.numpy(), x.numpy().dtype.type(least))
    assert np.array_equal(values.numpy(), numbers.max(dim, keepdims=True))
    # A place of the maximum, among what counts.
    some = valid.any(dim, keepdims=True)
    assert np.array_equal(np.take_along_axis(numbers, indices.numpy(), dim), values.numpy())
    assert np.take_along_axis(valid, indices.numpy(), dim)[some].all()
    assert not indices.numpy()[~some].any()


def test_maxima_of_what_is_least():
    x = torch.tensor([[5, -(2**63), 7]])
    values, index = F.masked_max(x, mask=torch.tensor([[0, 1, 0]]))
    assert (values.item(), index.item()) == (-(2**63), 1)
    values, index = F.masked_max(torch.tensor([[1.0, -INF]]), mask=torch.tensor([[0, 1]]))
    assert (values.item(), index.item()) == (-INF, 1)
    assert math.isnan(F.masked_max(torch.tensor([[1.0, NAN]]))[0].item())


@cases()
def test_log_softmax(seed):
    rng, x, mask = drawn(seed)
    valid, dim = whole(mask, x), int(rng.integers(-x.ndim, x.ndim))
    y = soiled(x, valid, rng).requires_grad_()
    got = F.masked_log_softmax(y, mask=mask, dim=dim)
    none = ~valid.any(dim, keepdims=True)
    powers = np.where(valid, np.exp(x.double().numpy()), none * 1.0)
    probs = powers / powers.sum(dim, keepdims=True)
    close(got.exp(), probs, x.dtype)
    assert got.dtype == x.dtype and bool(got.isfinite().all())
    (got.exp() * torch.as_tensor(rng.normal(size=x.shape)).to(x.dtype)).sum().backward()
    assert bool(y.grad.isfinite().all()) and not y.grad.numpy()[~valid].any()


@cases()
def test_samples(seed):
    rng, x, mask = drawn(seed)
    torch.manual_seed(seed)
    valid, dim = whole(mask, x), int(rng.integers(-x.ndim, x.ndim))
    y = soiled(x, valid, rng)
    value, index = F.masked_categorical_sample(y, mask=mask, dim=dim)
    shape = list(x.shape)
    shape[dim] = 1
    assert list(value.shape) == list(index.shape) == shape
    assert np.array_equal(value.numpy(), np.take_along_axis(y.numpy(), index.numpy(), dim), True)
    some = valid.any(dim, keepdims=True)
    assert np.take_along_axis(valid, index.numpy(), dim)[some].all()


def test_samples_are_as_frequent_as_they_are_probable():
    torch.manual_seed(3)
    x = torch.tensor([0.0, 1.0, 5.0, 2.0]).expand(20_000, 4).movedim(0, 1)
    mask = torch.tensor([1, 1, 0, 1])
    counts = torch.bincount(
        F.masked_categorical_sample(x, mask=mask, dim=0)[1][0], minlength=4
    ).numpy()
    probs = np.exp([0.0, 1.0, -INF, 2.0])
    probs /= probs.sum()
    # Five standard deviations, none where the probability is 0.
    assert (np.abs(counts / 20_000 - probs) <= 5 * np.sqrt(probs * (1 - probs) / 20_000)).all()


def test_skips():
    x, y = torch.ones(2, 3, 4), torch.full((2, 3, 4), 2.0)
    assert F.skip_connection(x, y).shape == (2, 3, 8)
    assert F.skip_connection(x, y[:, :1], dim=1).shape == (2, 4, 4)
    assert torch.equal(F.skip_connection(x, y, kind="residual"), x + y)
    assert F.skip_connection(x, y, kind=None) is y


def gae(rewards, values, ended, gamma, lam, scale):
    r, a = rewards / (scale + 1e-8), np.zeros_like(values)
    for t in range(values.shape[1] - 2, -1, -1):
        going = 1 - ended[:, t]
        delta = r[:, t] + gamma * going * values[:, t + 1] - values[:, t]
        a[:, t] = delta + gamma * lam * going * a[:, t + 1]
    return a


@cases()
def test_generalized_advantages(seed):
    rng = np.random.default_rng(seed)
    shape = (rng.integers(1, 4), rng.integers(1, 6), *rng.integers(1, 3, rng.integers(0, 2)))
    rewards, values = rng.normal(size=shape), rng.normal(size=shape)
    ended = (rng.random(shape) < 0.3) * (seed % 2)
    gamma, lam, scale = rng.random(), rng.random(), rng.random() + 0.5
    dtype = (torch.float64, torch.float32)[seed % 3 == 0]
    batch = {
        "rewards": torch.tensor(rewards, dtype=dtype),
        "values": torch.tensor(values).to(dtype),
    }
    if seed % 2:
        batch["terminated"] = torch.tensor(ended).to((torch.bool, torch.float32)[seed % 4 == 1])
    batch["advantages"] = torch.full(shape, 7.0)
    before = {name: tensor.clone() for name, tensor in batch.items()}
    options = {"gamma": gamma, "gae_lambda": lam, "reward_scale": scale}
    expected = gae(rewards, values, ended, gamma, lam, scale)
    told = F.generalized_advantage_estimate(batch, normalize_advantages=False, **options)
    assert sorted(told) == ["advantages", "returns"] and told["advantages"].dtype == dtype
    close(told["advantages"], expected, dtype)
    close(told["returns"], expected + values, dtype)
    assert all(torch.equal(batch[name], tensor) for name, tensor in before.items())

    told = F.generalized_advantage_estimate(batch, inplace=True, **options)
    assert told is batch and torch.equal(batch["rewards"], before["rewards"])
    steps = expected[:, :-1]
    normal = np.zeros_like(expected)
    if steps.size > 1:
        normal[:, :-1] = (steps - steps.mean()) / (steps.std(ddof=1) + 1e-8)
    np.testing.assert_allclose(batch["advantages"].numpy(), normal, rtol=1e-3, atol=1e-3)
    close(batch["returns"], expected + values, dtype)


def test_batches_of_any_type():
    batch = collections.OrderedDict(rewards=torch.ones(2, 3), values=torch.ones(2, 3))
    told = F.generalized_advantage_estimate(batch, return_returns=False)
    assert type(told) is collections.OrderedDict and list(told) == ["advantages"]
    tensordict = pytest.importorskip("tensordict", exc_type=ImportError)
    given = tensordict.TensorDict(dict(batch), batch_size=[2, 3])
    told = F.generalized_advantage_estimate(given)
    assert isinstance(told, tensordict.TensorDict) and told.batch_size == given.batch_size


def losses(new, old, a, v, r, entropy, clip, dual, coefficients):
    ratio = np.exp(new - old)
    o = np.minimum(a * ratio, a * np.clip(ratio, 1 - clip, 1 + clip))
    if dual:
        o = np.where(a < 0, np.maximum(o, dual * a), o)
    error = np.abs(v - r)
    vf = np.where(error < 1, 0.5 * error**2, error - 0.5)
    ent, weight, bound = coefficients
    policy, vf = o.mean(), np.minimum(vf, bound).mean()
    entropy = entropy.mean() if ent else 0.0
    return {
        "policy": policy,
        "vf": vf,
        "entropy": entropy,
        "total": weight * vf - policy - ent * entropy,
    }


@cases()
def test_losses(seed):
    rng = np.random.default_rng(seed)
    shape = (rng.integers(1, 20), *[1] * (seed % 2))
    mean, std = rng.normal(size=shape), np.exp(rng.normal(size=shape))
    actions, old, a, r, v = (2 * rng.normal(size=shape) for _ in range(5))
    clip, dual = rng.random(), (None, 0, 1.5, 5.0)[seed % 4]
    ent, weight, bound = rng.random() * (seed % 3 > 0), rng.random(), 2 * rng.random()
    expected = losses(
        log_density(actions, mean, std), old, a, v, r,
        entropy_of(std + 0 * mean), clip, dual, (ent, weight, bound),
    )  # fmt: skip
    features = {"mean": torch.tensor(mean), "log_std": torch.tensor(std).log()}
    ours = seed % 2 == 1
    distribution = (
        distributions.Normal(features)
        if ours
        else torch.distributions.Normal(torch.tensor(mean), torch.tensor(std))
    )
    buffer = {"actions": actions, "advantages": a, "logp": old, "returns": r}
    told = F.ppo_losses(
        {name: torch.tensor(array) for name, array in buffer.items()},
        {"values": torch.tensor(v)},
        distribution,
        clip_param=clip,
        dual_clip_param=dual,
        entropy_coeff=ent,
        vf_coeff=weight,
        vf_clip_param=bound,
    )
    assert set(told) == set(expected) and all(part.ndim == 0 for part in told.values())
    for name, number in expected.items():
        close(told[name], number, torch.float64)


DYNAMICS = {
    "linear": lambda s, d, k, c: s + d,
    "cubic": lambda s, d, k, c: s + d + k * d**3,
    "capacity_21": lambda s, d, k, c: s - d * (1 - d**2 / c**2),
    "capacity_21_abs": lambda s, d, k, c: s - d * (1 - np.abs(d) / c),
    "capacity_32": lambda s, d, k, c: s + d * (1 - d**2 / c**2) * (1 - (2 * d) ** 2 / c**2),
    "capacity_32_abs": lambda s, d, k, c: s + d * (1 - np.abs(d) / c) * (1 - 2 * np.abs(d) / c),
}


@pytest.mark.parametrize("name", DYNAMICS)
@cases(12)
def test_potentials(name, seed):
    rng = np.random.default_rng(seed)
    n = rng.integers(1, 5)
    shape = (*rng.integers(1, 4, seed % 3), n)
    p, s, h = rng.normal(size=shape), rng.normal(size=shape), rng.normal(size=n)
    tau, kappa, c = (np.exp(rng.normal(size=((), (1,), (n,))[seed % 3])) for _ in range(3))
    tensors = [torch.tensor(x, requires_grad=True) for x in (p, s, h, tau, kappa, c)]
    function = getattr(F, f"pd_{name}")

    def told(p, s, h, tau, kappa, c):
        return function(p, s, h, tau, kappa=kappa, capacity=c)

    close(told(*tensors), DYNAMICS[name](s, h - p, kappa, c) / tau, torch.float64)
    assert torch.autograd.gradcheck(told, tensors)


def test_potentials_have_their_fixed_points():
    zero, tau, c = torch.zeros(1, dtype=torch.float64), torch.tensor(1.0), torch.tensor(3.0)
    for name, points in {
        "21": {-3.0: -1, 0.0: 1, 3.0: -1},
        "32": {-3.0: -1, -1.5: 1, 0.0: -1, 1.5: 1, 3.0: -1},
    }.items():
        for function in (getattr(F, f"pd_capacity_{name}{end}") for end in ("", "_abs")):
            for point, sign in points.items():
                near = torch.tensor([point - 1e-3, point, point + 1e-3], dtype=torch.float64)
                below, at, above = function(near, zero, zero, tau, capacity=c).tolist()
                assert abs(at) < 1e-9 and np.sign(above) == sign == -np.sign(below)


@cases()
def test_puff_advantages(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 8, 2))
    v, r = rng.normal(size=shape), rng.normal(size=shape)
    dones, ratio = rng.random(shape) < 0.2, np.exp(rng.normal(size=shape))
    gamma, lam, rho, c = rng.random(), rng.random(), 2 * rng.random(), 2 * rng.random()
    expected = np.zeros(shape)
    for t in range(shape[1] - 2, -1, -1):
        going = 1.0 - dones[:, t + 1]
        delta = r[:, t + 1] + gamma * v[:, t + 1] * going - v[:, t]
        onward = gamma * lam * np.minimum(ratio[:, t], c) * going * expected[:, t + 1]
        expected[:, t] = np.minimum(ratio[:, t], rho) * delta + onward
    tensors = [torch.tensor(x) for x in (v, r, dones, ratio)]
    options = {"gamma": gamma, "gae_lambda": lam}
    close(F.puff_advantage(*tensors, **options, rho_clip=rho, c_clip=c), expected, torch.float64)
    plain = F.puff_advantage(*tensors[:3], torch.ones(shape), **options)
    batch = {"values": tensors[0], "rewards": tensors[1].roll(-1, 1)}
    batch["terminated"] = tensors[2].roll(-1, 1)
    estimates = F.generalized_advantage_estimate(batch, normalize_advantages=False, **options)
    # Their rewards are divided by 1 + 1e-8.
    close(plain, estimates["advantages"].numpy(), torch.float32)


@cases()
def test_vtrace(seed):
    rng = np.random.default_rng(seed)
    n, t_max = rng.integers(1, 5), rng.integers(1, 7)
    v, r = rng.normal(size=(n, t_max + 1)), rng.normal(size=(n, t_max))
    dones, ratio = rng.random((n, t_max)) < 0.2, np.exp(rng.normal(size=(n, t_max)))
    gamma, lam, rho_bar, c_bar = (rng.random() for _ in range(4))
    rho, c = np.minimum(ratio, rho_bar), lam * np.minimum(ratio, c_bar)
    nexts = gamma * (1 - dones) * v[:, 1:]
    deltas = rho * (r + nexts - v[:, :-1])
    # The sum that the paper has, term by term.
    targets = v.copy()
    for i in range(n):
        for t in range(t_max):
            weight = 1.0
            for k in range(t, t_max):
                targets[i, t] += weight * deltas[i, k]
                weight *= gamma * (1 - dones[i, k]) * c[i, k]
    advantages = rho * (r + gamma * (1 - dones) * targets[:, 1:] - v[:, :-1])
    told = F.vtrace(
        *(torch.tensor(x) for x in (v, r, dones, ratio)),
        gamma=gamma, gae_lambda=lam, rho_clip=rho_bar, c_clip=c_bar,
    )  # fmt: skip
    close(told[0], targets[:, :-1], torch.float64)
    close(told[1], advantages, torch.float64)


@cases()
def test_distributions(seed):
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    rows, k, choices = rng.integers(1, 5, 3)
    logits = rng.normal(size=(rows, k, choices))
    told = distributions.Categorical({"logits": torch.tensor(logits)})
    log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    actions = told.sample()
    picked = np.take_along_axis(log_probs, actions.numpy()[..., None], -1)[..., 0]
    close(told.logp(actions), picked.sum(-1, keepdims=True), torch.float64)
    entropy = -(np.exp(log_probs) * log_probs).sum((-1, -2))[:, None]
    close(told.entropy(), entropy, torch.float64)
    assert np.array_equal(told.deterministic_sample().numpy(), logits.argmax(-1))

    mean, log_std = rng.normal(size=(2, rows, k))
    features = {"mean": torch.tensor(mean), "log_std": torch.tensor(log_std)}
    normal, squashed = distributions.Normal(features), distributions.SquashedNormal(features)
    u = normal.sample()
    logp = log_density(u.numpy(), mean, np.exp(log_std)).sum(-1, keepdims=True)
    close(normal.log_prob(u), logp, torch.float64)
    entropy = entropy_of(np.exp(log_std)).sum(-1, keepdims=True)
    close(normal.entropy(), entropy, torch.float64)
    a = u.clamp(-3, 3).tanh()
    z = np.arctanh(a.numpy())
    density = log_density(z, mean, np.exp(log_std)) - np.log(1 - a.numpy() ** 2)
    np.testing.assert_allclose(squashed.logp(a), density.sum(-1, keepdims=True), rtol=1e-8)
    close(squashed.deterministic_sample(), np.tanh(mean), torch.float64)
    assert bool((squashed.sample().abs() <= 1).all())


def test_squashed_actions_at_the_bounds():
    features = {name: torch.zeros(1, 2, requires_grad=True) for name in ("mean", "log_std")}
    told = distributions.SquashedNormal(features).logp(torch.tensor([[1.0, -1.0]]))
    told.sum().backward()
    assert bool(told.isfinite()) and all(bool(x.grad.isfinite().all()) for x in features.values())
    with pytest.raises(NotImplementedError, match="closed form"):
        distributions.SquashedNormal(features).entropy()


@pytest.mark.parametrize("std", [0.01, 1.0, math.sqrt(2)])
@pytest.mark.parametrize(
    "layer",
    [torch.nn.Linear(7, 3), torch.nn.Linear(3, 7, bias=False), torch.nn.Conv2d(2, 5, 3)],
)
def test_orthogonal_layers(layer, std):
    assert layer_init(layer, std, 0.5) is layer
    matrix = layer.weight.detach().flatten(1).double().numpy()
    np.testing.assert_allclose(np.linalg.svd(matrix, compute_uv=False), std, rtol=1e-5)
    assert layer.bias is None or bool((layer.bias == 0.5).all())


X = torch.zeros(2, 3)
BATCH = {"rewards": X, "values": X}
BUFFER = {"actions": X, "advantages": X, "logp": X, "returns": X}
NORMAL = torch.distributions.Normal(X, X + 1)
GAE = F.generalized_advantage_estimate
LOSSES = functools.partial(F.ppo_losses, BUFFER, BATCH, NORMAL)


@pytest.mark.parametrize(
    "error, said, call",
    [
        (TypeError, "mask", lambda: F.binary_mask_to_float_mask([1])),
        (ValueError, "lengths", lambda: F.mask_from_lengths(X, torch.zeros(3))),
        (ValueError, "mask", lambda: F.masked_avg(X, mask=torch.zeros(3, 3))),
        (ValueError, "dim", lambda: F.masked_max(X, dim=2)),
        (TypeError, "dim", lambda: F.masked_max(X, dim="x")),
        (ValueError, "mask", lambda: F.masked_log_softmax(X, mask=torch.zeros(2, 3, 1))),
        (TypeError, "x", lambda: F.masked_log_softmax(X.long())),
        (ValueError, "kind", lambda: F.skip_connection(X, X, kind="sum")),
        (ValueError, "y", lambda: F.skip_connection(X, X[:1], kind="residual")),
        (TypeError, "batch", lambda: GAE([X])),
        (KeyError, "values", lambda: GAE({"rewards": X})),
        (ValueError, "rewards", lambda: GAE({**BATCH, "rewards": X.T})),
        (ValueError, "gamma", lambda: GAE(BATCH, gamma=1.5)),
        (ValueError, "logp", lambda: F.ppo_losses({**BUFFER, "logp": X[..., None]}, BATCH, NORMAL)),
        (ValueError, "values", lambda: F.ppo_losses(BUFFER, {"values": X[:, :1]}, NORMAL)),
        (ValueError, "dual_clip_param", lambda: LOSSES(dual_clip_param=0.5)),
        (TypeError, "sample_distribution", lambda: F.ppo_losses(BUFFER, BATCH, 3)),
        (ValueError, "tau", lambda: F.pd_linear(X, X, X[0], torch.zeros(1))),
        (ValueError, "kappa", lambda: F.pd_cubic(X, X, X[0], torch.ones(1), kappa=-torch.ones(1))),
        (ValueError, "capacity", lambda: F.pd_capacity_21(X, X, X[0], torch.ones(1))),
        (ValueError, "dones", lambda: F.puff_advantage(X, X, X.T, X, gamma=1.0, gae_lambda=1.0)),
        (ValueError, "rewards", lambda: F.vtrace(X, X, X, X, gamma=1.0)),
        (ValueError, "actions", lambda: distributions.Normal({"mean": X, "log_std": X}).logp(X.T)),
        (TypeError, "layer", lambda: layer_init(torch.nn.ReLU())),
    ],
)  # fmt: skip
def test_what_is_refused(error, said, call):
    with pytest.raises(error, match=said):
        call()
