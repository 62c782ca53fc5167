"""What one iteration leaves to the next: draws, minibatches, threads, the best, the writer."""

import pytest

torch = pytest.importorskip("torch")

from conftest import SMALL  # noqa: E402
from test_resume import Noisy  # noqa: E402
from test_run_folder import shown_steps  # noqa: E402
from twisterl.envs import Puzzle  # noqa: E402
from twisterl.nn import TorchPolicy  # noqa: E402
from twisterl.rl import PPO  # noqa: E402
from twisterl.rl.evaluation import wilson  # noqa: E402
from twisterl.twisterl.collector import evaluate_episodes  # noqa: E402
from twisterl.utils import prepare_algorithm  # noqa: E402


def test_every_solve_draws_anew_and_a_run_repeats_them(small):
    small["env"].update(width=3, height=3, max_depth=20)
    board = [1, 2, 5, 3, 4, 0, 6, 7, 8]

    def tries():
        torch.manual_seed(0)
        algorithm = prepare_algorithm(small)
        # One try finds it now and then.
        return [algorithm.solve(board, False, 1) for _ in range(40)]

    found = tries()
    assert any(found) and None in found
    assert tries() == found


def test_a_difficulty_above_the_bound_stays_when_no_difficulty_bounds_the_starts(small):
    small["env"]["difficulty"] = 5
    small["algorithm"]["learning"].update(diff_threshold=0, diff_max=3, final_diff_is_none=True)
    algorithm = prepare_algorithm(small)
    algorithm.learn(1)
    assert algorithm.difficulty is None and algorithm.env.difficulty == 5


def test_tensorboard_is_told_of_the_first_iteration_and_every_so_many(small, tmp_path):
    small["algorithm"]["logging"]["log_freq"] = 3
    prepare_algorithm(small, tmp_path).learn(5)
    assert shown_steps(tmp_path, "Losses") == [0, 3]


def test_a_policy_that_was_looked_at_is_trained_as_before():
    weights = []
    for looks in (False, True):
        torch.manual_seed(0)
        env = Puzzle(2, 2, 1, 2, 32)
        algorithm = PPO(
            env, Noisy(env.obs_shape(), env.num_actions(), 16, (8,)), SMALL["algorithm"]
        )
        for _ in range(2):
            if looks:
                algorithm.policy.eval()
            algorithm.learn(1)
        weights.append(algorithm.policy.state_dict())
    assert all(map(torch.equal, weights[0].values(), weights[1].values()))


@pytest.mark.parametrize("engine", ["torch", "rust"])
def test_losses_are_means_over_samples_however_they_are_cut(small, engine):
    small["algorithm"]["engine"] = engine
    # The weights stay, so that all updates have the same losses.
    small["algorithm"]["optimizer"]["lr"] = 1e-30
    algorithm = prepare_algorithm(small)
    batch = algorithm.data_to_torch(algorithm.collect()[0])[0]
    whole = algorithm.train(batch)[0]
    # In parts of which some have a sample more.
    count = next(count for count in range(2, 9) if batch.num_samples % count)
    algorithm.config["training"]["minibatch_size"] = -(-batch.num_samples // count)
    cut = algorithm.train(batch)[0]
    assert cut == pytest.approx(whole, rel=1e-6, abs=1e-7)


def test_threads_of_torch_are_given_back(small):
    small["algorithm"]["engine"] = "torch"
    algorithm = prepare_algorithm(small)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        assert algorithm._useful_threads(1) == 1
        algorithm.learn(1)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_an_epoch_draws_as_many_samples_as_were_collected(small):
    small["algorithm_cls"] = "AZ"
    small["algorithm"] = {
        "device": "cpu",
        "collecting": {"num_cores": 1, "num_episodes": 8, "num_mcts_searches": 2},
        "training": {"num_epochs": 1, "minibatch_size": 1, "replay_size": 10_000},
        "evals": {},
    }
    algorithm = prepare_algorithm(small)
    algorithm.learn(3)
    updates = int(algorithm.optimizer.state_dict()["state"][0]["step"])
    assert updates == algorithm.total_steps == algorithm.replay.num_samples


def test_the_newest_of_equals_is_the_best(small, tmp_path):
    small["algorithm"]["learning"]["diff_max"] = 1
    small["algorithm"]["optimizer"]["lr"] = 1e-30
    algorithm = prepare_algorithm(small, tmp_path)
    seen = []
    algorithm.subscribe(seen.append)
    algorithm.learn(3)
    assert len({(progress.success, progress.reward) for progress in seen}) == 1
    assert [progress.improved for progress in seen] == [True] * 3


def test_an_evaluation_is_the_mean_of_its_episodes(small):
    small["env"].update(width=3, height=3, difficulty=4)
    algorithm = prepare_algorithm(small)
    asked = {"num_episodes": 300, "deterministic": False, "seed": 2, "num_cores": 1}
    found = algorithm.evaluate(asked)[0]
    episodes = evaluate_episodes(algorithm.env, algorithm.rs_pol, **asked)
    solved = episodes["success"]
    assert 0 < solved.sum() < 300
    assert found == (solved.mean(), episodes["reward"].astype(float).mean())
    assert found.mean_length == episodes["length"][solved].mean()


def test_intervals_of_rates_are_rates():
    for count in range(1, 300):
        assert 0 <= wilson(0, count)[0] < wilson(0, count)[1] < 1
        assert 0 < wilson(count, count)[0] < wilson(count, count)[1] <= 1


def test_the_moments_decay_as_the_config_says(small):
    small["algorithm"]["optimizer"]["betas"] = [0.5, 0.75]
    (group,) = prepare_algorithm(small).optimizer.param_groups
    assert group["betas"] == (0.5, 0.75)


def test_the_engine_plays_a_module_without_its_noise():
    env = Puzzle(2, 2, 1, 2, 32)
    layers = torch.nn.Linear(16, 32), torch.nn.Dropout(0.5), torch.nn.Linear(32, 5)
    policy = TorchPolicy(Heads(*layers), env.obs_shape(), env.num_actions())
    for engine in (policy.to_rust(), policy.asking_torch()):
        seen = {tuple(engine.predict(env.observe(), env.masks())[0]) for _ in range(5)}
        assert len(seen) == 1


class Heads(torch.nn.Module):
    """Layers whose last outputs are four logits and a value."""

    def __init__(self, *layers):
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Flatten(), *layers)

    def forward(self, x):
        outputs = self.layers(x)
        return outputs[:, :4], outputs[:, 4]
