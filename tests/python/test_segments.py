"""What PufferLib's training adds to PPO: each by its definition, and what must not come with it."""

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from twisterl.faults import ConfigError  # noqa: E402
from twisterl.rl.ppo import PPO  # noqa: E402
from twisterl.rl.segments import Segments  # noqa: E402
from twisterl.train import prepare_algorithm  # noqa: E402


def config(**training):
    return {
        "env_cls": "CartPole",
        "env": {"max_episode_steps": 40},
        "policy_cls": "BasicPolicy",
        "policy": {"embedding_size": 16, "common_layers": []},
        "algorithm_cls": "PPO",
        "algorithm": {
            "collecting": {"num_episodes": 24, "num_cores": 1, "gamma": 0.9, "lambda": 0.8},
            "training": {"num_epochs": 2, "minibatch_size": 128, "sequence_length": 8, **training},
            "learning": {"num_steps": 10},
            "evals": {},
        },
    }


def made(**training):
    return prepare_algorithm(config(**training), trust=False)


@pytest.fixture(scope="module")
def puff():
    algorithm = made(advantage="puff", prio_alpha=0.7, prio_beta0=0.25)
    data, _ = algorithm.collect()
    batch, _ = algorithm.data_to_torch(data)
    return algorithm, data, batch


def by_hand(data, values, ratios, length, gamma, gae_lambda, rho_clip, c_clip):
    """[N], step by step: what follows a segment is known by its value alone."""
    arrays = data.arrays
    returns = arrays.additional_data["rets"]
    told = np.zeros(len(values))
    for start, end in zip(arrays.episode_starts[:-1], arrays.episode_starts[1:], strict=True):
        for first in range(start, end, length):
            after = 0.0
            for t in reversed(range(first, min(first + length, end))):
                # What the last state of an episode is worth is known.
                target = returns[t] if t == end - 1 else arrays.rewards[t] + gamma * values[t + 1]
                delta = min(ratios[t], rho_clip) * (target - values[t])
                after = delta + gamma * gae_lambda * min(ratios[t], c_clip) * after
                told[t] = after
    return told


@pytest.mark.parametrize("clips", [(1.0, 1.0), (0.7, 1.4), (2.0, 0.5)])
@pytest.mark.parametrize("length", [1, 3, 8, 1000])
def test_advantages_by_hand(puff, length, clips):
    _, data, batch = puff
    segments = Segments.cut(data.arrays, batch.returns, length)
    random = np.random.default_rng(length)
    values = random.normal(size=len(batch.rows)).astype(np.float32)
    ratios = np.exp(random.normal(size=len(values))).astype(np.float32)
    order = torch.from_numpy(random.permutation(len(values)))
    segments.see(order, torch.from_numpy(values)[order], torch.from_numpy(ratios)[order])
    told = segments.advantages(0.9, 0.8, rho_clip=clips[0], c_clip=clips[1])
    steps = segments.are_steps()
    assert torch.equal(segments.samples[steps], torch.arange(len(values)))
    assert not told[~steps].any() and segments.lengths.max() <= length
    expected = by_hand(data, values, ratios, length, 0.9, 0.8, *clips)
    np.testing.assert_allclose(told[steps], expected, rtol=1e-4, atol=1e-5)


def test_whole_episodes_that_were_just_played_have_the_advantages_of_gae(puff):
    """Cut off or over: nothing of the next episode is read, and no reward is clamped."""
    _, data, batch = puff
    assert np.abs(data.arrays.rewards).max() <= 1 < batch.returns.max()
    segments = Segments.cut(data.arrays, batch.returns, 10_000)
    told = segments.advantages(0.9, 0.8)[segments.are_steps()]
    np.testing.assert_allclose(told, batch.advantages, rtol=1e-4, atol=1e-5)


def test_segments_are_drawn_by_their_advantages(puff):
    _, _, batch = puff
    segments = batch.segments
    advantages = segments.advantages(0.9, 0.8)
    sums = advantages.abs().sum(1).double().numpy()
    expected = (sums / sums.max() + 1e-6) ** 0.7
    expected /= expected.sum()
    random = torch.Generator().manual_seed(0)
    units, weights = segments.drawn(advantages, 20_000, 0.7, 1.0, random)
    shares = np.bincount(units, minlength=len(segments)) / len(units)
    np.testing.assert_allclose(shares, expected, atol=5 * np.sqrt(expected.max() / len(units)))
    np.testing.assert_allclose(weights, 1 / (len(segments) * expected[units]), rtol=1e-4)
    # With the whole weights a mean over the draws is that over all segments.
    lengths = segments.lengths.float()
    mean = float((weights * lengths[units]).mean())
    assert mean == pytest.approx(float(lengths.mean()), rel=0.02)
    _, half = segments.drawn(advantages, 50, 0.7, 0.5, torch.Generator().manual_seed(0))
    torch.testing.assert_close(half, weights[:50].sqrt())


def minibatches(algorithm, batch, **training):
    algorithm = copy.copy(algorithm)
    algorithm.config = {
        **algorithm.config, "training": {**algorithm.config["training"], **training}
    }  # fmt: skip
    random = torch.Generator().manual_seed(3)
    return [parts[0] for parts in algorithm._minibatches(batch, batch.num_samples, 128, random)]


def test_minibatches_are_whole_segments(puff):
    algorithm, _, batch = puff
    for alpha in (0.0, 0.7):
        drawn = minibatches(algorithm, batch, prio_alpha=alpha, normalize_advantage=False)
        assert len(drawn) == -(-batch.num_samples // 128)
        for part in drawn:
            assert (part.weights is None) == (alpha == 0)
            # Each sample of a segment that is there at all.
            lengths = dict(
                zip(
                    batch.segments.samples[:, 0].tolist(),
                    batch.segments.lengths.tolist(),
                    strict=True,
                )
            )
            at, numbers = 0, part.numbers.tolist()
            while at < len(numbers):
                length = lengths[numbers[at]]
                assert numbers[at : at + length] == list(range(numbers[at], numbers[at] + length))
                at += length
            gained = batch.segments.advantages(0.9, 0.8)
            by_number = torch.zeros(batch.num_samples)
            by_number[batch.segments.samples[batch.segments.are_steps()]] = gained[
                batch.segments.are_steps()
            ]
            torch.testing.assert_close(part.advantages, by_number[part.numbers])
            torch.testing.assert_close(
                part.returns, (by_number + batch.segments.values)[part.numbers]
            )
            assert torch.equal(part.actions, batch.actions[part.numbers])
        if not alpha:
            every = torch.cat([part.numbers for part in drawn])
            assert torch.equal(every.sort().values, torch.arange(batch.num_samples))
    normal = minibatches(algorithm, batch, normalize_advantage=True)[0].advantages
    assert abs(float(normal.mean())) < 1e-5 and float(normal.std()) == pytest.approx(1, abs=1e-4)


def test_beta_rises_to_one_over_the_schedule(puff):
    algorithm, _, batch = puff
    found = []
    for iteration in (0, 5, 10, 12):
        algorithm.iteration = iteration
        weights = minibatches(algorithm, batch)[0].weights
        found.append(weights.log())
    algorithm.iteration = 0
    for logs, beta in zip(found, (0.25, 0.625, 1.0, 1.0), strict=True):
        torch.testing.assert_close(logs, found[2] * beta, rtol=1e-3, atol=1e-4)


def test_what_a_minibatch_says_is_known_to_the_next_one():
    algorithm = made(advantage="puff")
    batch, _ = algorithm.data_to_torch(algorithm.collect()[0])
    before = batch.segments.values.clone()
    algorithm.train(batch)
    seen = (batch.segments.ratios != 1).float().mean()
    assert seen > 0.9 and (batch.segments.values != before).float().mean() > 0.9
    # Another rollout begins anew.
    again, _ = algorithm.data_to_torch(algorithm.collect()[0])
    assert (again.segments.ratios == 1).all()


def test_the_value_is_clipped(puff):
    algorithm = made(vf_clip=0.05, sequence_length=None)
    batch, _ = algorithm.data_to_torch(algorithm.collect()[0])
    with torch.no_grad():
        for parameter in algorithm.policy.parameters():
            parameter += 0.2 * torch.randn(parameter.shape, generator=torch.Generator())
    algorithm._set_rates()
    losses = dict(zip(PPO.LOSSES, algorithm.losses(batch).tolist(), strict=True))
    with torch.no_grad():
        values = algorithm._outputs(batch)[1]
    old, returns = batch.values, batch.returns
    near = old + (values - old).clamp(-0.05, 0.05)
    expected = torch.maximum((values - returns) ** 2, (near - returns) ** 2).mean()
    assert losses["value"] == pytest.approx(float(expected), rel=1e-5)
    assert losses["value"] > float(((values - returns) ** 2).mean()) + 1e-4


def test_weights_are_those_of_all_terms(puff):
    """The loss of samples that weigh 2 and 0 is that of the former alone."""
    algorithm, _, batch = puff
    algorithm._set_rates()
    numbers = torch.arange(40)
    taken = batch.take(numbers)
    weights = 2.0 * (numbers < 20)
    weighed = algorithm.losses(copy.copy(taken)), algorithm.losses(_with(taken, weights=weights))
    alone = algorithm.losses(batch.take(numbers[:20]))
    torch.testing.assert_close(weighed[1][:4], alone[:4])
    assert not torch.allclose(weighed[0][:4], alone[:4])


def _with(batch, **fields):
    import dataclasses

    return dataclasses.replace(batch, **fields)


def test_muon_takes_matrices_and_adam_the_rest():
    algorithm = made(sequence_length=None)
    twin = copy.deepcopy(algorithm)
    given = {"lr": 0.01, "kind": "muon", "momentum": 0.9, "betas": (0.8, 0.9)}
    algorithm.config["optimizer"] = given
    algorithm.optimizer = algorithm._make_optimizer()
    muon, adam = algorithm.optimizer.param_groups
    shapes = [{parameter.ndim for parameter in group["params"]} for group in (muon, adam)]
    assert shapes == [{2}, {1}] and muon["momentum"] == 0.9 and adam["betas"] == (0.8, 0.9)
    batch, _ = algorithm.data_to_torch(algorithm.collect()[0])
    matrices = [p for p in twin.policy.parameters() if p.ndim == 2]
    others = [p for p in twin.policy.parameters() if p.ndim != 2]
    optimizers = [
        torch.optim.Muon(
            matrices, lr=0.01, weight_decay=0, momentum=0.9, adjust_lr_fn="match_rms_adamw"
        ),
        torch.optim.Adam(others, lr=0.01, betas=(0.8, 0.9)),
    ]
    algorithm._set_rates()
    twin._set_rates()
    for _ in range(3):
        algorithm._update([batch], batch.num_samples)
        total = twin.losses(batch)[PPO.LOSSES.index("total")]
        for parameter in twin.policy.parameters():
            parameter.grad = None
        total.backward()
        for optimizer in optimizers:
            optimizer.step()
    for ours, theirs in zip(algorithm.policy.parameters(), twin.policy.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_torch_without_muon_is_told(monkeypatch):
    monkeypatch.delattr(torch.optim, "Muon")
    algorithm = made(sequence_length=None)
    algorithm.config["optimizer"] = {"kind": "muon"}
    with pytest.raises(
        ConfigError, match=r"optimizer\.kind: muon needs torch 2\.9 or later; this is"
    ):
        algorithm._make_optimizer()


def test_deviations_are_no_matrix():
    given = config(sequence_length=None)
    given |= {"env_cls": "Pendulum", "policy_cls": "ContinuousPolicy", "policy": {"hidden_size": 4}}
    given["algorithm"]["optimizer"] = {"kind": "muon", "lr": 0.01}
    algorithm = prepare_algorithm(given, trust=False)
    deviations = algorithm.policy.module.actor_logstd
    assert deviations.ndim == 2
    by = [
        any(p is deviations for p in group["params"]) for group in algorithm.optimizer.param_groups
    ]
    assert by == [False, True]


def test_muon_goes_on_where_it_was(tmp_path):
    given = config(advantage="puff", prio_alpha=0.5, vf_clip=0.2, sequence_length=4)
    given["algorithm"]["optimizer"] = {"lr": 0.01, "kind": "muon"}
    given["algorithm"]["collecting"]["num_episodes"] = 8
    whole = prepare_algorithm(given, tmp_path / "whole", trust=False)
    whole.learn(3)
    prepare_algorithm(given, tmp_path / "parts", trust=False).learn(1)
    parts = prepare_algorithm(given, tmp_path / "parts", trust=False)
    parts.resume()
    parts.learn(2)
    for name, tensor in whole.policy.state_dict().items():
        assert torch.equal(parts.policy.state_dict()[name], tensor), name
    lighter = copy.deepcopy(whole)
    lighter.learn(1)
    assert lighter.iteration == 4


def test_a_compiled_network_and_small_passes_change_no_update():
    torch._dynamo.reset()
    told = []
    for options in ({}, {"compile": "eager"}, {"rows_per_pass": 50}):
        given = config(sequence_length=None, num_epochs=1, **options)
        given["algorithm"]["engine"] = "torch"
        algorithm = prepare_algorithm(given, trust=False)
        batch, _ = algorithm.data_to_torch(algorithm.collect()[0])
        losses, _ = algorithm.train(batch)
        weights = torch.cat([p.flatten() for p in algorithm.policy.parameters()])
        told.append((losses["total"], weights))
        assert bool(algorithm._made_by_compiler) == ("compile" in options)
        copy.deepcopy(algorithm)
    for total, weights in told[1:]:
        assert total == pytest.approx(told[0][0], rel=1e-4)
        torch.testing.assert_close(weights, told[0][1], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    "training, optimizer, problem",
    [
        ({"rho_clip": 2.0}, {}, "training.rho_clip: has a meaning with advantage puff alone"),
        ({"prio_beta0": 0.5}, {}, "training.prio_beta0: has a meaning with a prio_alpha above 0"),
        ({}, {"momentum": 0.5}, "optimizer.momentum: has a meaning with kind muon alone"),
        ({"compile": "fast"}, {}, "training.compile"),
        ({"advantage": "puffer"}, {}, "training.advantage"),
        ({"vf_clip": 0.0}, {}, "training.vf_clip"),
    ],
)
def test_what_has_no_meaning_is_refused(training, optimizer, problem):
    given = config(**training)
    given["algorithm"]["optimizer"] = optimizer
    with pytest.raises(ConfigError, match=problem):
        prepare_algorithm(given, trust=False)


@pytest.mark.parametrize(
    "training, optimizer, key",
    [
        ({"advantage": "puff"}, {}, "training.advantage is puff"),
        ({"vf_clip": 0.2, "sequence_length": None}, {}, "training.vf_clip is 0.2"),
        ({"sequence_length": None}, {"kind": "muon"}, "optimizer.kind is muon"),
    ],
)
def test_the_engine_says_what_it_leaves_to_torch(training, optimizer, key):
    given = config(**training)
    given["algorithm"]["optimizer"] = optimizer
    assert prepare_algorithm(given, trust=False)._engine_obstacle() == key
    given["algorithm"]["engine"] = "rust"
    with pytest.raises(ValueError, match=f"expected auto or torch, since {key}"):
        prepare_algorithm(given, trust=False)
