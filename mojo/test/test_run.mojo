"""Evaluation, the curriculum, and runs that go on as if they had never stopped."""

from std.ffi import c_int, external_call
from std.os.path import exists
from scratch import Scratch
from std.testing import TestSuite, assert_almost_equal, assert_equal, assert_raises, assert_true

from twisterl.config import Config, Evaluation
from twisterl.episodes import Player
from twisterl.es import initial_weights
from twisterl.evaluate import Report, evaluate
from twisterl.files import lock_folder, read_text, unlock_folder, write_atomic
from twisterl.json import Json
from twisterl.metrics import METRICS
from twisterl.network import Layout
from twisterl.puzzle import Settings
from twisterl.run import LAST, STATE, Options, Run
from twisterl.tiles import PackedTiles
from twisterl.weights import Tensors, policy_weights
from twisterl.workers import Worker, run_workers

comptime Tiles = PackedTiles[3, 3]
comptime CONFIG = """{"env_cls": "Puzzle", "policy_cls": "BasicPolicy", "algorithm_cls": "ES",
  "env": {"difficulty": 4, "forbid_undo": true},
  "policy": {"embedding_size": 32, "common_layers": []},
  "algorithm": {"seed": 3,
    "collecting": {"num_pairs": 4, "num_episodes": 8},
    "training": {"num_generations": 2},
    "learning": {"diff_metric": "scrambled", "diff_threshold": 0.1, "diff_step": 2, "diff_max": 7,
                 "num_steps": NUM_STEPS},
    "evals": {"scrambled": {"num_episodes": 50}},
    "logging": {"log_freq": 0}}}
"""


def config_of(num_steps: Int) raises -> Config:
    """The config with this many iterations."""
    return Config(String(CONFIG).replace("NUM_STEPS", String(num_steps)))


def test_interval() raises:
    """Wilson's interval of 95 in 100, as in `twisterl.rl.evaluation.wilson`."""
    var bounds = Report(100, 95, 0).interval()
    assert_almost_equal(bounds[0], 0.888, atol=5e-4)
    assert_almost_equal(bounds[1], 0.978, atol=5e-4)


def test_evaluation_does_not_depend_on_threads() raises:
    var weights = initial_weights(Layout(81, 32), 1)
    for uniform in [False, True]:
        var asked = Evaluation("a", 101, True, 1, 7, uniform, 1)
        var board = Settings(difficulty=5, forbid_undo=True)
        var one = evaluate[Tiles, 32](weights, Player.POLICY, asked, board, 1)
        var three = evaluate[Tiles, 32](weights, Player.POLICY, asked, board, 3)
        assert_equal(one.solved, three.solved)
        assert_equal(one.moves, three.moves)
        assert_equal(one.num_episodes, 101)
    var scrambled = Evaluation("a", 50, True, 1, 7, False, 1)
    var easy = evaluate[Tiles, 32](weights, Player.VALUE, scrambled, Settings(difficulty=1), 2)
    # One move from solved, which the value player sees.
    assert_equal(easy.solved, 50)


def trained(num_steps: Int, folder: String, resume: String) raises -> Run[Tiles, 32]:
    """A run of that many iterations."""
    var config = config_of(num_steps)
    var run = Run[Tiles, 32](config^, Options("", "{}", 2, 0, resume, -1, folder, "train_puzzle.mojo"))
    run.start_from(resume)
    assert_equal(run.learn(), 0)
    return run^


def test_five_and_five_are_ten() raises:
    with Scratch() as folder:
        var whole = trained(10, folder + "/whole", "")
        assert_equal(whole.strategy.generation, 20)
        assert_equal(whole.board.difficulty, 7)
        _ = trained(5, folder + "/parts", "")
        var parts = trained(10, folder + "/parts", folder + "/parts")
        assert_equal(parts.strategy.weights, whole.strategy.weights)
        assert_equal(parts.strategy.second, whole.strategy.second)
        assert_equal(parts.steps, whole.steps)
        assert_equal(parts.best, whole.best)
        var saved = Tensors.load(folder + "/parts/" + LAST)
        assert_equal(policy_weights(saved, Layout(81, 32)), whole.strategy.weights)
        var one_line = read_text(folder + "/whole/" + METRICS, 1 << 20).splitlines()
        var two_parts = read_text(folder + "/parts/" + METRICS, 1 << 20).splitlines()
        assert_equal(len(one_line), 10)
        assert_equal(len(two_parts), 10)
        var elapsed = Float64(0)
        for i in range(10):
            var line = Json.parse(String(two_parts[i]))
            assert_equal(line.integer(line.member(0, "iteration")), i)
            var now = line.number(line.member(0, "elapsed_s"))
            assert_true(now >= elapsed)
            elapsed = now
            # Equal but for the clock.
            var marker = one_line[i].find('"elapsed_s"')
            assert_equal(one_line[i][byte=:marker], two_parts[i][byte=:marker])
            var evals = line.member(0, "evals")
            var success = line.member(line.member(evals, "scrambled"), "success")
            var share = line.number(success)
            assert_true(share >= 0 and share <= 1)


def test_a_run_that_began_with_solved_boards_goes_on() raises:
    var text = String(CONFIG).replace("NUM_STEPS", "1").replace(
        '"difficulty": 4', '"difficulty": 0'
    )
    with Scratch() as folder:
        var options = Options("", "{}", 1, 0, "", -1, folder, "train_puzzle.mojo")
        var begun = Run[Tiles, 32](Config(text), options)
        assert_equal(begun.learn(), 0)
        var resumed = Run[Tiles, 32](Config(text), options)
        resumed.start_from(folder)
        assert_equal(resumed.iteration, 1)
        assert_equal(resumed.board.difficulty, begun.board.difficulty)


def test_one_training_at_a_time_writes_into_a_folder() raises:
    with Scratch() as folder:
        var lock = lock_folder(folder)
        var config = config_of(1)
        var options = Options("", "{}", 1, 0, "", -1, folder, "train_puzzle.mojo")
        var run = Run[Tiles, 32](config^, options)
        with assert_raises(contains="is writing here"):
            _ = run.learn()
        assert_equal(exists(folder + "/" + METRICS), False)
        unlock_folder(lock)
        assert_equal(run.learn(), 0)
        assert_true(exists(folder + "/" + METRICS))


def test_planted_links_are_not_followed() raises:
    with Scratch() as folder:
        var outside = folder + "/outside"
        for name in ["lock", "file"]:
            var link = folder + "/" + name
            _ = external_call["symlink", c_int](
                outside.as_c_string_span().ptr(), link.as_c_string_span().ptr()
            )
        with assert_raises(contains="is a symbolic link"):
            _ = lock_folder(folder)
        write_atomic(folder + "/file", "new".as_bytes())
        assert_equal(read_text(folder + "/file", 10), "new")
        assert_equal(exists(outside), False)


def resumed(config: String, folder: String, seed: Int = -1) raises -> Run[Tiles, 32]:
    """The run in `folder` with another config, before it goes on."""
    var run = Run[Tiles, 32](Config(config), Options("", "{}", 1, 0, folder, seed, folder, "train_puzzle.mojo"))
    run.start_from(folder)
    return run^


def test_what_belongs_to_the_run_and_what_to_the_config() raises:
    var config = String(CONFIG).replace("NUM_STEPS", "3").replace(
        '"num_generations": 2', '"num_generations": 1, "lr_schedule": {"kind": "linear"}'
    ).replace('"diff_threshold": 0.1', '"diff_threshold": 0, "warmup": 4')
    with Scratch() as folder:
        var run = Run[Tiles, 32](Config(config), Options("", "{}", 1, 0, "", 8, folder, "train_puzzle.mojo"))
        assert_equal(run.learn(), 0)
        # By 1 up to 4, then by 2.
        assert_equal(run.board.difficulty, 7)
        var same = resumed(config, folder)
        assert_equal(same.board.difficulty, 7)
        assert_equal(same.strategy.seed, 8)
        assert_true(same.rising)
        # A longer run keeps the length of its schedule.
        var longer = resumed(config.replace('"num_steps": 3', '"num_steps": 9'), folder)
        assert_equal(longer.config.learning.num_iterations, 9)
        assert_equal(longer.strategy.settings.optimizer.decline_generations, 3)
        var stretched = resumed(
            config.replace('"kind": "linear"', '"kind": "linear", "num_iterations": 9'), folder
        )
        assert_equal(stretched.strategy.settings.optimizer.decline_generations, 9)
        # What the config or the command line says anew takes effect.
        assert_equal(resumed(config.replace('"difficulty": 4', '"difficulty": 3'), folder).board.difficulty, 3)
        assert_equal(resumed(config.replace('"diff_max": 7', '"diff_max": 6'), folder).board.difficulty, 6)
        assert_equal(resumed(config.replace('"seed": 3', '"seed": 4'), folder).strategy.seed, 4)
        assert_equal(resumed(config, folder, 5).strategy.seed, 5)


def test_the_curriculum() raises:
    """As `twisterl.rl.curriculum.raised`."""
    with Scratch() as folder:
        var config = String(CONFIG).replace("NUM_STEPS", "3").replace(
            '"diff_threshold": 0.1', '"diff_threshold": 0.9, "threshold_min": 0.5, "warmup": 4'
        )
        var run = Run[Tiles, 32](Config(config), Options("", "{}", 1, 0, "", -1, folder, "train_puzzle.mojo"))
        var reached = List[Int]()
        for success in [0.8, 0.9, 0.5, 0.4, 0.8, 0.95, 1.0]:
            run.judge(success)
            reached.append(run.board.difficulty)
        assert_equal(reached, [4, 5, 7, 7, 7, 7, 7])


def test_nothing_is_evaluated_without_evaluations() raises:
    with Scratch() as folder:
        var config = String(CONFIG).replace("NUM_STEPS", "2").replace(
            '"evals": {"scrambled": {"num_episodes": 50}}', '"evals": {}'
        )
        var run = Run[Tiles, 32](Config(config), Options("", "{}", 1, 0, "", -1, folder, "train_puzzle.mojo"))
        assert_equal(run.learn(), 0)
        assert_equal(run.board.difficulty, 4)
        assert_true('"evals": {}' in run.metrics.lines)
        assert_true('"success"' not in run.metrics.lines)


def test_states_that_are_refused() raises:
    with Scratch() as folder:
        var run = trained(1, folder, "")
        var good = Tensors.load(folder + "/" + STATE)
        for i in range(len(good.notes)):
            for text in ["x", "-5", "nan", "99999999999999999999"]:
                var state = Tensors.load(folder + "/" + STATE)
                state.notes[i].text = text
                state.save(folder + "/bad.safetensors")
                with assert_raises(contains=": " + good.notes[i].key + ": expected"):
                    run.restore(folder + "/bad.safetensors")


def test_a_model_starts_a_run() raises:
    with Scratch() as folder:
        var first = trained(1, folder + "/first", "")
        var config = config_of(0)
        var run = Run[Tiles, 32](config^, Options("", "{}", 1, 0, "", -1, folder, "train_puzzle.mojo"))
        run.start_from(folder + "/first/" + LAST)
        assert_equal(run.strategy.weights, first.strategy.weights)
        assert_equal(run.strategy.generation, 0)
        with assert_raises(contains="no such file"):
            run.start_from(folder + "/nothing")
        with assert_raises(contains="does not fit the config"):
            run.restore(folder + "/first/" + LAST)
        var config2 = config_of(0)
        var wider = Run[Tiles, 64](config2^, Options("", "{}", 1, 0, "", -1, folder, "train_puzzle.mojo"))
        with assert_raises(contains="does not fit the config"):
            wider.start_from(folder + "/first")


@fieldwise_init
struct Square(Worker):
    var number: Int

    def run(mut self):
        self.number *= self.number


def test_workers() raises:
    var workers = List[Square]()
    for number in range(5):
        workers.append(Square(number))
    run_workers(workers)
    for number in range(5):
        assert_equal(workers[number].number, number * number)


def main() raises:
    TestSuite.discover_tests[__functions_in_module()]().run()
