"""What is pickled or copied deeply goes on as the original does; in another process too."""

import copy
import multiprocessing
import pickle

import pytest

torch = pytest.importorskip("torch")
from twisterl import defaults  # noqa: E402
from twisterl.config.algorithm import Learning  # noqa: E402
from twisterl.config.validation import check_run  # noqa: E402
from twisterl.envs import Puzzle  # noqa: E402
from twisterl.faults import ConfigError, Fault  # noqa: E402
from twisterl.nn import BasicPolicy, Conv1dPolicy  # noqa: E402
from twisterl.rl import AZ, ES, PPO, RandomWalk  # noqa: E402
from twisterl.rl.algorithm import TrainingError  # noqa: E402
from twisterl.rl.evaluation import Evaluation  # noqa: E402
from twisterl.runs.errors import CheckpointError, RunFolderError  # noqa: E402

COPIES = {
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
    "deepcopy": copy.deepcopy,
}
EVALS = {"ppo_1": {"deterministic": True, "num_episodes": 10, "num_cores": 1}}
CONFIGS = {
    PPO: {"collecting": {"num_episodes": 16}, "training": {"num_epochs": 2}},
    AZ: {
        "collecting": {"num_episodes": 4, "num_mcts_searches": 4},
        "training": {"num_epochs": 2, "replay_size": 100},
    },
    RandomWalk: {"collecting": {"num_walks": 50, "walk_length": 6}},
    ES: {"collecting": {"num_pairs": 4, "num_episodes": 2}},
}


def puzzle():
    return Puzzle(2, 2, difficulty=2, depth_slope=2, max_depth=16)


def made(kind, run_path=None):
    torch.manual_seed(0)
    env = puzzle()
    layers = {"embedding_size": 32} | ({"common_layers": ()} if kind is ES else {})
    policy = BasicPolicy(env.obs_shape(), env.num_actions(), **layers)
    learning = {"diff_metric": "ppo_1", "diff_threshold": 0.0, "diff_max": 9}
    shared = {"device": "cpu", "evals": EVALS, "learning": learning}
    return kind(env, policy, {**shared, **CONFIGS[kind]}, run_path)


def weights(algorithm):
    return {name: tensor.clone() for name, tensor in algorithm.policy.state_dict().items()}


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize(
    "make",
    [
        lambda: BasicPolicy([3, 2], 2, 8, (4,), obs_perms=[[5, 4, 3, 2, 1, 0]], act_perms=[[1, 0]]),
        lambda: Conv1dPolicy([3, 2], 2, 8, 0, (4,)),
        lambda: Conv1dPolicy([3, 2], 2, 9, 1, (4,), obs_perms=[[5, 4, 3, 2, 1, 0]]),
    ],
)
def test_policies_keep_weights_twists_and_what_is_shared(make, how):
    policy = make()
    again = COPIES[how](policy)
    assert_same(policy.state_dict(), again.state_dict())
    assert (again.obs_perms, again.act_perms) == (policy.obs_perms, policy.act_perms)
    x, none = torch.rand(5, 6), torch.full((5,), -1)
    for twists in (none, none + (1 if policy.num_twists else 0)):
        assert torch.equal(policy(x, twists)[0], again(x, twists)[0])
    if isinstance(policy, Conv1dPolicy):
        assert again.conv_layer.weight is again.embeddings[again.conv_dim].weight
        halved = {name: tensor / 2 for name, tensor in again.state_dict().items()}
        again.load_state_dict(halved)
        assert_same(halved, again.state_dict())
    before = policy.state_dict()
    for parameter in again.parameters():
        parameter.data.zero_()
    assert_same(before, policy.state_dict())
    assert again.to_rust().predict([0], [True, True])[1] == 0.0


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize(
    "error",
    [
        ConfigError([Fault("env.width", "got 1; expected 2..=16"), Fault("", "odd")], "c.json"),
        CheckpointError("w.safetensors: is cut off"),
        RunFolderError("runs/own: holds a run"),
        TrainingError("iteration 3: the loss total is nan"),
    ],
)
def test_errors_keep_their_text_and_fields(error, how):
    again = COPIES[how](error)
    assert type(again) is type(error) and str(again) == str(error)
    assert again.args == error.args and vars(again) == vars(error)


@pytest.mark.parametrize("how", COPIES)
def test_results_and_configs(how, small):
    for evaluation in (Evaluation(0.5, -0.25, 10, 3.0), Evaluation(0.5, 0.1)):
        again = COPIES[how](evaluation)
        assert again == evaluation and vars(again) == vars(evaluation)
    progress = []
    algorithm = made(PPO)
    algorithm.subscribe(progress.append)
    algorithm.learn(1)
    assert COPIES[how](progress[0]) == progress[0]
    resolved = check_run(small).as_dict()
    assert COPIES[how](resolved) == resolved
    assert COPIES[how](defaults.ALGO_CONFIG) == defaults.ALGO_CONFIG
    assert COPIES[how](Learning()) == Learning()


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("kind", CONFIGS)
def test_a_copied_algorithm_continues_as_the_original(kind, how, tmp_path):
    algorithm = made(kind, tmp_path / "run")
    algorithm.subscribe(lambda progress: None)
    algorithm.learn(2)
    algorithm.solve([1, 0, 2, 3], num_searches=2)  # The next one draws other actions.
    again = COPIES[how](algorithm)
    assert again.run_path == algorithm.run_path and again.config == algorithm.config
    assert again.best_metrics == algorithm.best_metrics
    assert again.env.difficulty == algorithm.env.difficulty > 2
    again.run_path = tmp_path / "copy"
    for each in (algorithm, again):
        each.learn(2)
    assert again.iteration == algorithm.iteration == 4
    assert again.total_steps == algorithm.total_steps
    assert_same(weights(algorithm), weights(again))
    if kind is not ES:
        found = [algorithm.solve([3, 2, 1, 0], deterministic=False) for _ in range(20)]
        assert len({str(moves) for moves in found}) > 1
        assert [again.solve([3, 2, 1, 0], deterministic=False) for _ in range(20)] == found
    assert list((tmp_path / "copy").glob("events.*"))


def test_a_copy_shares_nothing_with_its_original():
    algorithm = made(AZ)
    algorithm.learn(1)
    before = weights(algorithm), algorithm.env.difficulty, algorithm.replay.num_samples
    again = copy.deepcopy(algorithm)
    again.learn(2)
    assert_same(before[0], weights(algorithm))
    assert before[1:] == (algorithm.env.difficulty, algorithm.replay.num_samples)
    algorithm.learn(2)
    assert_same(weights(again), weights(algorithm))


def test_a_writer_that_was_switched_off_stays_off(tmp_path):
    algorithm = made(PPO, tmp_path)
    algorithm.tb_writer = None
    again = pickle.loads(pickle.dumps(algorithm))
    assert again.tb_writer is None
    algorithm.tb_writer = open(tmp_path / "any", "w")
    assert type(pickle.loads(pickle.dumps(algorithm)).tb_writer).__name__ == "SummaryWriter"
    algorithm.tb_writer.close()


def test_within_an_iteration_no_copy_is_made():
    algorithm = made(PPO)
    seen = []

    def losses(batch, inner=algorithm.losses):
        with pytest.raises(RuntimeError, match="between its iterations"):
            pickle.dumps(algorithm)
        seen.append(len(batch.rows))
        return inner(batch)

    algorithm.losses = losses
    algorithm.learn(1)
    assert seen


def learned(algorithm):
    """In another process: what one iteration more leaves."""
    algorithm.learn(1)
    return algorithm, algorithm.iteration


def test_another_process_goes_on():
    algorithm = made(PPO)
    algorithm.learn(1)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        again, iteration = pool.apply(learned, (algorithm,))
    algorithm.learn(1)
    assert iteration == 2
    assert_same(weights(algorithm), weights(again))
