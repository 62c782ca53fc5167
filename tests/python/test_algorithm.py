"""The training loop: what it promises to those who call it."""

import copy
import json
import threading
from unittest.mock import MagicMock

import pytest

torch = pytest.importorskip("torch")

from twisterl import rl, utils  # noqa: E402
from twisterl.envs import Puzzle  # noqa: E402
from twisterl.nn import BasicPolicy  # noqa: E402
from twisterl.rl import AZ, ES, PPO  # noqa: E402
from twisterl.rl.algorithm import Algorithm, TrainingError, timed  # noqa: E402
from twisterl.rl.evaluation import Evaluation, wilson  # noqa: E402
from twisterl.runs.errors import RunFolderError  # noqa: E402
from twisterl.runs.folder import RunFolder  # noqa: E402
from twisterl.utils import prepare_algorithm  # noqa: E402


def weights(algorithm):
    return {name: value.clone() for name, value in algorithm.policy.state_dict().items()}


def equal(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def metrics(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_timed():
    @timed
    def add(a, b=1):
        """Sums."""
        return a + b

    result, seconds = add(2, b=3)
    assert result == 5 and 0 <= seconds < 1
    assert add.__doc__ == "Sums."


def test_wilson_interval():
    low, high = wilson(0, 10)
    assert low == 0 and 0.2 < high < 0.35
    low, high = wilson(10, 10)
    assert high == pytest.approx(1) and 0.65 < low < 0.8
    result = Evaluation(0.5, -0.25, 10, 3.0)
    success, reward = result
    assert (success, reward) == (0.5, -0.25) and result.interval == wilson(5, 10)
    assert Evaluation(0.5, 0.1).interval is None


def test_calls_of_existing_programs(small):
    env = Puzzle(2, 2, 1, 2, 32)
    policy = BasicPolicy(env.obs_shape(), env.num_actions(), 16, (8,))
    config = small["algorithm"]
    before = copy.deepcopy(config)
    algorithm = rl.PPO(env, policy, config, None)
    algorithm.learn(3)
    assert config == before
    assert algorithm.config["training"]["clip_ratio"] == 0.1
    assert str(policy.device) == "cpu"
    assert algorithm.env is env
    algorithm.env.difficulty = 2
    assert algorithm.env.difficulty == 2
    (success, reward), seconds = algorithm.evaluate(algorithm.config["evals"]["ppo_1"])
    assert 0 <= success <= 1 and reward <= 1 and seconds > 0
    data, _ = algorithm.collect()
    torch_data, _ = algorithm.data_to_torch(data)
    losses, _ = algorithm.train(torch_data)
    assert {"value", "policy", "entropy", "total"} <= set(losses)
    _, _ = algorithm.train_step(torch_data)
    _, _ = algorithm.sync_rs_policy()
    (times, benchmarks, losses), _ = algorithm.learn_step()
    assert {"collect", "data_to_torch", "train", "to_rust", "eval_ppo_1"} <= set(times)
    assert {"difficulty", "success", "reward", "successes", "rewards"} <= set(benchmarks)


def test_solve(small):
    algorithm = prepare_algorithm(small)
    assert algorithm.solve([0, 1, 2, 3], True) == []
    state = [1, 0, 2, 3]
    actions = algorithm.solve(state, False, 200, 0, 2**0.5, 1)
    assert actions is not None and all(type(action) is int for action in actions)
    env = Puzzle(2, 2, 1, 2, 32)
    env.set_state(state)
    for action in actions:
        env.step(action)
    assert env.solved()
    with pytest.raises(ValueError):
        algorithm.solve([0, 1, 2], True)
    with pytest.raises(ValueError, match="parity"):
        algorithm.solve([3, 1, 2, 0], True)
    with pytest.raises(ValueError, match="strategy"):
        algorithm.solve(state, True, strategy="guess")
    with pytest.raises(TypeError, match="beam_widht"):
        algorithm.solve(state, True, beam_widht=3)


def test_solve_takes_no_seed(small):
    with pytest.raises(TypeError, match=r"^seed: expected none, since every call draws anew"):
        prepare_algorithm(small).solve([1, 0, 2, 3], seed=3)


def test_solve_gives_none_when_no_search_finds_it(small):
    small["env"]["max_depth"] = 1
    algorithm = prepare_algorithm(small)
    # Two moves away, one step left.
    env = Puzzle(2, 2, 1, 2, 32)
    env.set_state([0, 1, 2, 3])
    env.step(2)
    env.step(3)
    assert algorithm.solve(env.get_state(), False, 20) is None


def test_after_learning_the_engine_has_the_weights(small):
    algorithm = prepare_algorithm(small)
    algorithm.learn(2)
    import numpy

    observation = algorithm.env.observe()
    masks = [True] * 4
    probabilities, _ = algorithm.rs_pol.predict(observation, masks)
    dense = numpy.zeros(16, dtype=numpy.float32)
    dense[observation] = 1
    expected, _ = algorithm.policy.predict(dense.reshape(4, 4))
    assert numpy.allclose(probabilities, expected, atol=1e-5)


def test_solving_from_many_threads_while_learning(small):
    algorithm = prepare_algorithm(small)
    errors, answers = [], []

    def learn():
        try:
            algorithm.learn(10**10)
        except BaseException as error:
            errors.append(error)

    def solve(state):
        try:
            for _ in range(30):
                answers.append((state, algorithm.solve(state, False, 50)))
        except BaseException as error:
            errors.append(error)

    learner = threading.Thread(target=learn)
    learner.start()
    states = [[1, 0, 2, 3], [2, 1, 0, 3], [0, 1, 2, 3]]
    solvers = [threading.Thread(target=solve, args=(state,)) for state in states]
    for thread in solvers:
        thread.start()
    for thread in solvers:
        thread.join(60)
    algorithm.request_stop()
    learner.join(60)
    assert not learner.is_alive() and not errors
    for state, actions in answers:
        env = Puzzle(2, 2, 1, 2, 32)
        env.set_state(state)
        for action in actions or []:
            env.step(action)
        assert actions is None or env.solved(), (state, actions)


def test_curriculum(small):
    learning = small["algorithm"]["learning"]
    learning.update(diff_threshold=0.0, diff_max=6, diff_step=2)
    algorithm = prepare_algorithm(small)
    seen = []
    algorithm.subscribe(lambda p: seen.append((p.difficulty, p.next_difficulty)))
    algorithm.learn(4)
    assert seen == [(1, 3), (3, 5), (5, 6), (6, 6)]
    learning.update(diff_threshold=1.0, diff_max=1)
    algorithm = prepare_algorithm(small)
    algorithm.learn(1)
    assert algorithm.env.difficulty == 1


def test_evaluations_at_their_frequency(small):
    small["algorithm"]["evals"]["rare"] = {"num_episodes": 5, "freq": 3, "start": "uniform"}
    for planned, parts in ((None, [5]), (5, [5]), (5, [1] * 5), (5, [3, 2])):
        small["algorithm"]["learning"]["num_steps"] = planned
        algorithm = prepare_algorithm(small)
        seen = []
        algorithm.subscribe(lambda p, seen=seen: seen.append(sorted(p.evaluations)))
        for count in parts:
            algorithm.learn(count)
        # After the last iteration too, where one is known to be the last.
        expected = [False, False, True, False, planned == 5]
        assert ["rare" in names for names in seen] == expected
        assert all("ppo_1" in names for names in seen)


@pytest.mark.parametrize("algorithm", [PPO, AZ, ES])
def test_what_is_no_environment_or_policy_is_named(algorithm):
    env, policy = Puzzle(2, 2, 1, 2, 8), BasicPolicy([4, 4], 4, 8)
    for made, problem in (
        (lambda: algorithm(policy, env, {}), "env: expected an environment, got BasicPolicy"),
        (lambda: algorithm(None, policy, {}), "env: expected an environment, got NoneType"),
        (lambda: algorithm(Puzzle, policy, {}), "env: expected an object, got the class Puzzle"),
        (lambda: algorithm(env, BasicPolicy, {}), "policy: expected an object, got the class Bas"),
        (lambda: algorithm(env, "BasicPolicy", {}), "policy: expected a torch.nn.Module, got str"),
    ):
        with pytest.raises(TypeError, match=problem):
            made()


def test_the_run_folder(small, tmp_path):
    algorithm = prepare_algorithm(small)
    algorithm.run_path = str(tmp_path / "run")
    algorithm.learn(3)
    folder = tmp_path / "run"
    last = utils.load_checkpoint(folder / "checkpoint_last.safetensors")
    assert equal(last, weights(algorithm))
    assert (folder / "checkpoint_best.safetensors").exists()
    rows = metrics(folder)
    assert [row["iteration"] for row in rows] == [0, 1, 2]
    assert rows[0]["evals"]["ppo_1"]["interval"][0] <= rows[0]["success"]
    assert rows[2]["total_steps"] == sum(row["num_steps"] for row in rows)


@pytest.mark.parametrize("num_steps", [-1, 1.5, "2", None, float("nan"), float("inf")])
def test_a_count_of_iterations_is_one(small, num_steps):
    with pytest.raises(ValueError, match=r"num_steps: got .*; expected a count of iterations"):
        prepare_algorithm(small).learn(num_steps)


def test_tensorboard_tags(small, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    algorithm = prepare_algorithm(small, tmp_path)
    algorithm.learn(2)
    algorithm.tb_writer.close()
    found = set()
    for folder in [tmp_path, *(path for path in tmp_path.iterdir() if path.is_dir())]:
        if folder.name != "resume":
            events = EventAccumulator(str(folder))
            events.Reload()
            tags = events.Tags()
            found |= set(tags["scalars"]) | set(tags["tensors"])
    assert {
        "Benchmark/difficulty", "Benchmark/success", "Benchmark/reward",
        "Benchmark/Detail/Success/ppo_1", "Benchmark/Detail/Reward/ppo_1",
        "Losses/total", "Times/train",
    } <= found  # fmt: skip


def test_an_assigned_writer_is_used(small, tmp_path):
    algorithm = prepare_algorithm(small)
    writer = MagicMock()
    algorithm.run_path = tmp_path / "run"
    algorithm.tb_writer = writer
    algorithm.learn(1)
    tags = {call.args[0] for call in writer.add_scalar.call_args_list}
    assert {"Benchmark/difficulty", "Benchmark/success", "Losses/total"} <= tags
    assert not list((tmp_path / "run").glob("events*"))
    algorithm.tb_writer = None
    algorithm.learn(1)
    assert not list((tmp_path / "run").glob("events*"))


def test_resuming_equals_never_having_stopped(small, tmp_path):
    small["algorithm"]["training"].update(
        minibatch_size=16, lr_schedule={"kind": "linear", "num_iterations": 10}
    )
    whole = prepare_algorithm(small, tmp_path / "whole")
    whole.learn(6)
    first = prepare_algorithm(small, tmp_path / "parts")
    first.learn(3)
    second = prepare_algorithm(small, tmp_path / "parts")
    second.resume()
    assert second.iteration == 3
    assert second.env.difficulty == first.env.difficulty
    assert second.best_metrics == first.best_metrics
    second.learn(3)
    assert equal(weights(second), weights(whole))
    assert second.env.difficulty == whole.env.difficulty
    assert second.total_steps == whole.total_steps
    a, b = metrics(tmp_path / "whole"), metrics(tmp_path / "parts")
    keys = ("iteration", "difficulty", "success", "reward", "losses", "num_steps")
    assert [[row[k] for k in keys] for row in a] == [[row[k] for k in keys] for row in b]


def test_learning_twice_equals_learning_once(small):
    once, twice = prepare_algorithm(small), prepare_algorithm(small)
    once.learn(4)
    twice.learn(2)
    twice.learn(2)
    assert equal(weights(once), weights(twice))


def test_resume_needs_a_run(small, tmp_path):
    with pytest.raises(RunFolderError, match="no commit"):
        prepare_algorithm(small, tmp_path).resume()
    with pytest.raises(ValueError, match="run_path"):
        prepare_algorithm(small).resume()


def test_resume_of_another_policy_changes_nothing(small, tmp_path):
    prepare_algorithm(small, tmp_path).learn(1)
    small["policy"]["common_layers"] = [4]
    other = prepare_algorithm(small, tmp_path)
    before = weights(other)
    with pytest.raises(
        ValueError, match=r"common\.0\.weight has shape \[8, 16\]; expected \[4, 16\]"
    ):
        other.resume()
    assert equal(before, weights(other)) and other.iteration == 0


@pytest.mark.parametrize("phase", ["collect", "train", "evaluate"])
def test_an_interrupt_drops_the_iteration_and_saves(small, tmp_path, monkeypatch, phase):
    small["algorithm"]["learning"]["diff_threshold"] = 0.0
    algorithm = prepare_algorithm(small, tmp_path)
    algorithm.learn(3)
    before = weights(algorithm)
    difficulty = algorithm.env.difficulty
    real = getattr(type(algorithm), phase)

    def interrupted(self, *arguments):
        real(self, *arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(algorithm), phase, interrupted)
        with pytest.raises(KeyboardInterrupt):
            algorithm.learn(1)
    assert algorithm.iteration == 3 and algorithm.env.difficulty == difficulty
    assert equal(before, weights(algorithm))
    assert equal(RunFolder(tmp_path).load_commit().weights, before)
    algorithm.learn(1)
    whole = prepare_algorithm(small)
    whole.learn(4)
    assert equal(weights(algorithm), weights(whole))


def test_nan_stops_and_keeps_what_was_finite(small, tmp_path, monkeypatch):
    algorithm = prepare_algorithm(small, tmp_path)
    algorithm.learn(2)
    before = weights(algorithm)

    @timed
    def broken(self, torch_data):
        with torch.no_grad():
            self.policy.common[0].weight[0, 0] = float("nan")
        return {"total": 0.5}

    monkeypatch.setattr(rl.PPO, "train", broken)
    with pytest.raises(TrainingError, match=r"iteration 2: tensor common\.0\.weight"):
        algorithm.learn(1)
    assert equal(before, weights(algorithm))
    assert equal(utils.load_checkpoint(tmp_path / "checkpoint_last.safetensors"), before)

    monkeypatch.setattr(rl.PPO, "train", timed(lambda self, data: {"policy": float("inf")}))
    with pytest.raises(TrainingError, match="iteration 2: the loss policy is inf"):
        algorithm.learn(1)


def test_a_policy_that_says_what_is_not_finite_is_named(small, monkeypatch):
    algorithm = prepare_algorithm(small)
    algorithm.learn(2)
    before = weights(algorithm)

    @timed
    def grown(self, torch_data):
        with torch.no_grad():
            for parameter in self.policy.parameters():
                parameter.fill_(1e30)
        return {"total": 0.5}

    monkeypatch.setattr(rl.PPO, "train", grown)
    with pytest.raises(TrainingError, match="iteration 2: policy: expected finite logits, got "):
        algorithm.learn(1)
    assert equal(before, weights(algorithm))


def test_an_algorithm_of_another_package(small):
    class Mine(rl.PPO):
        __module__ = "somewhere"

        @timed
        def train(self, torch_data):
            assert self.config["training"]["mine"] == 3
            return {"total": 1.0}

    small["algorithm"]["training"]["mine"] = 3
    env = Puzzle(2, 2, 1, 2, 32)
    policy = BasicPolicy(env.obs_shape(), env.num_actions(), 16, (8,))
    algorithm = Mine(env, policy, small["algorithm"])
    before = weights(algorithm)
    algorithm.learn(1)
    assert equal(before, weights(algorithm))
    with pytest.raises(NotImplementedError, match="data_to_torch"):
        Algorithm(env, policy, {"device": "cpu"}).data_to_torch(None)


@pytest.mark.parametrize("num_steps", [-1, 2.5])
def test_impossible_lengths(small, num_steps):
    with pytest.raises(ValueError, match="num_steps"):
        prepare_algorithm(small).learn(num_steps)


def test_threads_do_not_change_the_run(small):
    one = prepare_algorithm(small)
    small["algorithm"]["collecting"]["num_cores"] = 4
    small["algorithm"]["evals"]["ppo_1"]["num_cores"] = 4
    four = prepare_algorithm(small)
    four.num_threads = one.num_threads
    one.learn(3)
    four.learn(3)
    assert equal(weights(one), weights(four))


def test_an_environment_without_copy_is_solved_from_many_threads(small):
    """Wheels built elsewhere have environments that Python cannot copy."""
    algorithm = prepare_algorithm(small)

    class Foreign:
        def __init__(self, env):
            self._env = env

        def __twisterl_env__(self):
            return self._env.__twisterl_env__()

        def __getattr__(self, name):
            if name == "copy":
                raise AttributeError(name)
            return getattr(self._env, name)

    algorithm.env = Foreign(algorithm.env)
    states = {(1, 0, 2, 3): None, (0, 1, 2, 3): [], (2, 1, 0, 3): None}
    answers = []

    def solve(state):
        answers.extend((state, algorithm.solve(list(state), False, 50)) for _ in range(20))

    threads = [threading.Thread(target=solve, args=(state,)) for state in states]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 60
    for state, actions in answers:
        env = Puzzle(2, 2, 1, 2, 32)
        env.set_state(state)
        for action in actions:
            assert type(action) is int
            env.step(action)
        assert env.solved()


def test_a_new_run_in_an_old_folder_starts_its_metrics_anew(small, tmp_path):
    prepare_algorithm(small, tmp_path).learn(3)
    prepare_algorithm(small, tmp_path).learn(1)
    assert [row["iteration"] for row in metrics(tmp_path)] == [0]


def test_what_a_failing_watcher_has_seen_is_saved(small, tmp_path):
    small["algorithm"]["logging"] = {"checkpoint_freq": 0}
    algorithm = prepare_algorithm(small, tmp_path)

    def fail(progress):
        if progress.iteration == 1:
            raise RuntimeError("of its own")

    algorithm.subscribe(fail)
    with pytest.raises(RuntimeError, match="of its own"):
        algorithm.learn(5)
    assert RunFolder(tmp_path).last_iteration() == 2
