"""AlphaZero's update and its replay buffer, on what the engine collects."""

import copy
import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from twisterl import cli, train  # noqa: E402
from twisterl.rl import descent  # noqa: E402
from twisterl.rl.az import from_collected  # noqa: E402
from twisterl.utils import prepare_algorithm  # noqa: E402

FEATURES = 16  # of the 2x2 board
# Transposing the board is a symmetry: cell and tile (i, j) become (j, i), left becomes up.
SWAPPED = [0, 2, 1, 3]
TRANSPOSED = [4 * SWAPPED[k // 4] + SWAPPED[k % 4] for k in range(FEATURES)]
TWISTS = ([list(range(FEATURES)), TRANSPOSED], [[0, 1, 2, 3], [1, 0, 3, 2]])


@pytest.fixture
def small_az(small):
    """A run config of AlphaZero that trains in milliseconds."""
    small["env"].update(difficulty=6, max_depth=12)
    small["algorithm_cls"] = "twisterl.rl.AZ"
    small["algorithm"] = {
        "device": "cpu",
        "collecting": {"num_cores": 1, "num_episodes": 16, "num_mcts_searches": 8, "gamma": 0.9},
        "training": {"num_epochs": 2, "minibatch_size": 32},
        "learning": {"diff_metric": "search", "diff_max": 8, "diff_threshold": 0.5},
        "optimizer": {"lr": 0.003},
        "evals": {"search": {"num_episodes": 10, "num_cores": 1, "num_mcts_searches": 4}},
        "logging": {"checkpoint_freq": 2},
    }
    return small


@pytest.fixture(params=["torch", "rust"])
def algorithm(small_az, request):
    torch.manual_seed(0)
    small_az["algorithm"]["engine"] = request.param
    return prepare_algorithm(small_az)


def collect(algorithm):
    return algorithm.collect()[0]


def weights(algorithm):
    return torch.cat([p.detach().ravel().clone() for p in algorithm.policy.parameters()])


def dense_rows(data):
    dense = torch.zeros(len(data.actions), FEATURES, dtype=torch.float64)
    for row, (start, end) in enumerate(zip(data.offsets[:-1], data.offsets[1:], strict=True)):
        dense[row, data.indices[start:end]] = 1
    return dense


def by_definition(algorithm, data):
    """The loss of the module's documentation, each sample computed on its own, in f64."""
    training = algorithm.config["training"]
    policy = copy.deepcopy(algorithm.policy).double()
    none = torch.full((len(data.actions),), -1)
    logits, values = policy(dense_rows(data), none)
    logits = torch.where(torch.from_numpy(data.masks), logits, -torch.inf)
    visits = torch.from_numpy(data.arrays.logits).double()
    terms = torch.where(visits > 0, visits * logits.log_softmax(1), 0.0)
    returns = torch.from_numpy(data.arrays.additional_data["remaining_values"]).double()
    losses = {
        "policy": -terms.sum(1).mean(),
        "value": ((values[:, 0] - returns) ** 2).mean(),
        "l2": sum((p**2).sum() for p in policy.parameters()) if training["l2"] else torch.zeros(1),
    }
    losses["total"] = (
        training["policy_coef"] * losses["policy"]
        + training["vf_coef"] * losses["value"]
        + training["l2"] * losses["l2"]
    )
    gradients = torch.autograd.grad(losses["total"], list(policy.parameters()))
    return {name: loss.item() for name, loss in losses.items()}, gradients


def test_targets_are_distributions_and_returns(algorithm):
    data = collect(algorithm)
    batch = algorithm.data_to_torch(data)[0]
    last = torch.zeros(batch.num_samples, dtype=torch.bool)
    last[torch.from_numpy(data.episode_starts)[1:] - 1] = True
    sums = batch.visits.sum(1)
    torch.testing.assert_close(sums, (~last).float())
    assert not (batch.visits[batch.illegal] > 0).any() and batch.illegal.any()
    expected = np.zeros(batch.num_samples)
    for start, end in zip(data.episode_starts[:-1], data.episode_starts[1:], strict=True):
        following = 0.0
        for t in range(end - 1, start - 1, -1):
            following = expected[t] = data.arrays.rewards[t] + 0.9 * following
    np.testing.assert_allclose(batch.returns, expected, atol=1e-5)
    assert (batch.perms == -1).all() and batch.num_rows < batch.num_samples
    assert batch.returns.data_ptr() == data.arrays.additional_data["remaining_values"].ctypes.data


@pytest.mark.parametrize("coefficients", [{}, {"policy_coef": 0.5, "vf_coef": 2.0, "l2": 1e-3}])
@pytest.mark.parametrize("rows_per_pass", [3, 10**6])
def test_losses_and_gradients_by_definition(algorithm, monkeypatch, coefficients, rows_per_pass):
    monkeypatch.setitem(descent.ROWS_PER_PASS, "cpu", rows_per_pass)
    # A rate this small leaves the weights as they are, so that the gradients can be read.
    algorithm.config["optimizer"]["lr"] = 1e-30
    algorithm.config["training"].update(coefficients, minibatch_size=None, num_epochs=1)
    data = collect(algorithm)
    expected, expected_gradients = by_definition(algorithm, data)
    batch = from_collected(data)
    for call in (algorithm.train_step, algorithm.train):
        losses, _ = call(batch)
        assert losses == pytest.approx({**expected, "lr": 1e-30}, abs=2e-6)  # means in f32
        for parameter, gradient in zip(
            algorithm.policy.parameters(), expected_gradients, strict=True
        ):
            torch.testing.assert_close(parameter.grad.double(), gradient, rtol=0, atol=2e-6)


def samples_of(batch):
    """Every sample as its row and targets, whatever the order of the rows."""
    rows = [
        (twist, *batch.indices[start:end].tolist())
        for twist, start, end in zip(
            batch.perms.tolist(), batch.offsets[:-1], batch.offsets[1:], strict=True
        )
    ]
    assert len(set(rows)) == len(rows), "a row is kept twice"
    columns = [column.tolist() for column in batch.columns().values()]
    return [
        (rows[row], *targets) for row, *targets in zip(batch.rows.tolist(), *columns, strict=True)
    ]


def test_the_buffer_holds_the_newest_samples(algorithm):
    batches = []
    for iteration in range(3):
        algorithm.iteration = iteration
        batches.append(from_collected(collect(algorithm)))
    sizes = [batch.num_samples for batch in batches]
    size = sizes[2] + sizes[1] + sizes[0] // 2
    algorithm.config["training"]["replay_size"] = size
    for batch in batches:
        algorithm.train(batch)
    everything = [sample for batch in batches for sample in samples_of(batch)]
    assert samples_of(algorithm.replay) == everything[-size:]
    algorithm.config["training"]["replay_size"] = 5
    algorithm.train(batches[0])
    assert samples_of(algorithm.replay) == samples_of(batches[0])[-5:]


def test_epochs_draw_from_the_whole_buffer(algorithm):
    first, second = (from_collected(collect(algorithm)) for _ in range(2))
    replay = first.joined(second)
    numbered = dataclasses.replace(
        replay, returns=torch.arange(replay.num_samples, dtype=torch.float32)
    )
    random = torch.Generator().manual_seed(0)
    counts = np.zeros(replay.num_samples)
    for _ in range(200):
        minibatches = list(algorithm._minibatches(numbered, second.num_samples, 32, random))
        drawn = torch.cat([part.returns for parts in minibatches for part in parts])
        assert len(drawn) == second.num_samples == len(drawn.unique())
        counts[drawn.long()] += 1
    share = second.num_samples / replay.num_samples
    # Six standard deviations of 200 draws.
    bound = 6 * np.sqrt(200 * share * (1 - share))
    assert abs(counts - 200 * share).max() < bound


def test_a_sample_is_learned_through_its_twists(algorithm):
    # Collected without twists, so that equal observations are one row.
    batch = from_collected(collect(algorithm))
    algorithm.policy.set_permutations(*TWISTS)
    twists = torch.arange(batch.num_samples) % 2
    twisted = batch.twisted(twists, 2)
    for column, name in zip(twisted.columns().values(), batch.columns(), strict=True):
        assert torch.equal(column, getattr(batch, name))
    logits, _ = algorithm._outputs(twisted)
    dense = torch.zeros(batch.num_samples, FEATURES)
    for sample, ((_, *row), *_) in enumerate(samples_of(batch)):
        dense[sample, row] = 1
    expected, _ = algorithm.policy(dense, twists)
    torch.testing.assert_close(logits, expected)
    # Both twists are drawn, and the draw belongs to seed and iteration.
    random = torch.Generator().manual_seed(0)
    drawn = algorithm._varied(batch, random)
    seen = drawn.perms[drawn.rows]
    assert 0.3 < seen.float().mean() < 0.7
    again = algorithm._varied(batch, random)
    assert not torch.equal(seen, again.perms[again.rows])


def test_resuming_restores_the_buffer(small_az, tmp_path):
    small_az["algorithm"]["training"]["replay_size"] = 150
    whole = prepare_algorithm(small_az, tmp_path / "whole")
    whole.learn(6)
    prepare_algorithm(small_az, tmp_path / "parts").learn(3)
    second = prepare_algorithm(small_az, tmp_path / "parts")
    second.resume()
    assert second.replay is not None and second.replay.num_samples == 150
    second.learn(3)
    assert torch.equal(weights(whole), weights(second))
    assert samples_of(whole.replay) == samples_of(second.replay)
    lines = [
        [json.loads(line) for line in (tmp_path / run / "metrics.jsonl").read_text().splitlines()]
        for run in ("whole", "parts")
    ]
    keys = ("iteration", "difficulty", "success", "losses", "num_steps")
    first, second = ([[row[key] for key in keys] for row in rows] for rows in lines)
    assert first == second and len(first) == 6


def test_a_dropped_iteration_leaves_the_buffer(small_az, monkeypatch):
    small_az["algorithm"]["training"]["replay_size"] = 1000
    algorithm, other = prepare_algorithm(small_az), prepare_algorithm(small_az)
    algorithm.learn(2)
    before = samples_of(algorithm.replay)

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(algorithm, "evaluate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            algorithm.learn(1)
    assert samples_of(algorithm.replay) == before
    algorithm.learn(1)
    other.learn(3)
    assert torch.equal(weights(algorithm), weights(other))


@pytest.mark.parametrize("seeds", [{"seed": 1}, {"collecting.seed": 124}])
def test_both_seeds_change_the_episodes(small_az, seeds):
    first = prepare_algorithm(small_az)
    before = collect(first)
    assert np.array_equal(before.indices, collect(prepare_algorithm(small_az)).indices)
    for path, seed in seeds.items():
        *sections, last = path.split(".")
        section = small_az["algorithm"]
        for name in sections:
            section = section[name]
        section[last] = seed
    other = prepare_algorithm(small_az)
    # The weights that it began with go by the seed too.
    other.policy.load_state_dict(first.policy.state_dict())
    assert not np.array_equal(before.indices, collect(other).indices)


def test_threads_do_not_change_the_run(small_az):
    one = prepare_algorithm(small_az)
    small_az["algorithm"]["collecting"]["num_cores"] = 4
    small_az["algorithm"]["evals"]["search"]["num_cores"] = 4
    four = prepare_algorithm(small_az)
    four.num_threads = one.num_threads
    one.learn(3)
    four.learn(3)
    assert torch.equal(weights(one), weights(four))


def test_the_default_config_trains(small_az):
    small_az["algorithm"] = {"device": "cpu"}
    algorithm = prepare_algorithm(small_az)
    # The search of the defaults, on fewer episodes.
    algorithm.collector = type(algorithm.collector)(
        **{**algorithm.config["collecting"], "num_episodes": 4}
    )
    for evaluation in algorithm.config["evals"].values():
        evaluation["num_episodes"] = 2
    seen = []
    algorithm.subscribe(lambda progress: seen.append(progress))
    algorithm.learn(1)
    assert set(seen[0].evaluations) == {"ppo_deterministic", "ppo_1", "ppo_10", "mcts_100"}
    assert {"value", "policy", "total"} <= set(seen[0].losses)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
def test_memory_does_not_grow(small_az):
    small_az["algorithm"]["training"]["replay_size"] = 500
    small_az["algorithm"]["evals"] = {"search": {"num_episodes": 1, "num_cores": 1, "freq": 1000}}
    algorithm = prepare_algorithm(small_az)
    page = os.sysconf("SC_PAGE_SIZE")

    def resident():
        return int(Path("/proc/self/statm").read_text().split()[1]) * page

    algorithm.learn(60)
    before = resident()
    algorithm.learn(300)
    # Kept collections of about 100 KB each would add 30 MB.
    assert resident() - before < 4 << 20


def test_search_beats_the_policy_it_searches_with(small_az):
    small_az["env"].update(width=3, height=3, difficulty=20, max_depth=40)
    small_az["algorithm"]["collecting"].update(
        num_episodes=64, num_mcts_searches=16, root_selection="gumbel", gamma=0.95
    )
    small_az["algorithm"]["training"]["minibatch_size"] = 128
    small_az["algorithm"]["evals"] = {"search": {"num_episodes": 1, "freq": 1000}}
    torch.manual_seed(0)
    algorithm = prepare_algorithm(small_az)
    algorithm.learn(20)
    common = {"num_episodes": 300, "deterministic": True, "num_cores": 1, "seed": 5}
    policy, _ = algorithm.evaluate(common)
    search, _ = algorithm.evaluate(
        {**common, "num_mcts_searches": 32, "root_selection": "gumbel", "gamma": 0.95}
    )
    # The intervals of 95 % do not touch.
    assert search.interval[0] > policy.interval[1], (policy, search)
    assert policy.success > 0.1


def test_the_command_leaves_a_whole_run(small_az, tmp_path, capsys, curves):
    config = tmp_path / "az.json"
    config.write_text(json.dumps(small_az))
    run = tmp_path / "run"
    train.main(str(config), str(run), None, 2)
    names = {path.name for path in run.iterdir()}
    assert {
        "base_config.json", "full_algorithm_config.json", "metrics.jsonl", "learning_curve.png",
        "checkpoint_last.safetensors", "checkpoint_best.safetensors",
    } <= names  # fmt: skip
    assert any(name.startswith("events.") for name in names)
    other = prepare_algorithm(small_az, None, str(run / "checkpoint_last.safetensors"))
    moves = other.solve([1, 0, 2, 3], True, 1, 16, 1.41, 1)
    assert moves == [0]
    # The command searches as the run did in training, unless it is told otherwise.
    capsys.readouterr()
    assert cli.main(["eval", str(run), "--strategy", "mcts", "--json", "--num_episodes", "5"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["gamma"], report["root_selection"]) == (0.9, "puct")
    assert cli.main(["solve", str(run), "1 0 2 3", "--strategy", "mcts", "--deterministic"]) == 0
