"""A training run: generations, evaluations, curriculum, and what it leaves in its folder.

    base_config.json               the config, as Python's `twisterl eval` and `solve` read it
    checkpoint_last.safetensors    the policy
    checkpoint_best.safetensors    the policy of the best evaluation
    metrics.jsonl                  a line for each iteration
    es_state.safetensors           weights, moments and counters: what `--resume` continues
"""

from std.time import perf_counter_ns

from .config import LARGEST_SEED, LARGEST_STEPS, Config
from .es import EvolutionStrategy, Generation
from .evaluate import evaluate
from .files import (
    lock_folder,
    make_folder,
    read_text,
    unlock_folder,
    write_atomic,
)
from .interrupt import interrupted
from .metrics import METRICS, Metrics
from .network import Layout
from .optimizer import Decline
from .puzzle import Settings
from .terminal import ProgressLine, clock, fixed, percent, quoted_word
from .tiles import Tiles
from .weights import Tensors, policy_tensors, policy_weights

comptime STATE = "es_state.safetensors"
"""File of the state that `--resume` continues."""
comptime LAST = "checkpoint_last.safetensors"
"""File of the newest policy."""
comptime BEST = "checkpoint_best.safetensors"
"""File of the policy of the best evaluation."""
comptime BASE_CONFIG = "base_config.json"
"""File of the config that the run was started with."""
comptime MAX_METRICS_BYTES = 1 << 28
"""Metrics larger than this are no run's."""


@fieldwise_init
struct Options(Copyable, Movable):
    """What the command line asks for."""

    var config_path: String
    """The config file, as the user named it."""
    var config_text: String
    """Its content, copied into the run folder byte by byte."""
    var threads: Int
    """Threads that play and update, at least 1."""
    var time_budget_s: Float64
    """0: none."""
    var resume: String
    """A run folder or a model file; empty: a fresh run."""
    var seed: Int
    """In place of the config's; -1: none."""
    var folder: String
    """Where the run is saved."""
    var program: String
    """The source of the program, as seen from the current folder."""


struct Run[T: Tiles, hidden: Int](Movable):
    """A run on boards of `T` with `hidden` units.

    Parameters:
        T: The tiles of the boards, their size compiled in.
        hidden: Hidden units H of the network.
    """

    var config: Config
    """What the config file says."""
    var options: Options
    """What the command line says."""
    var strategy: EvolutionStrategy[Self.T, Self.hidden]
    """Weights, moments and the number of the next generation."""
    var board: Settings
    """With the current difficulty."""
    var iteration: Int
    """Iterations finished."""
    var steps: Int
    """Actions played so far."""
    var elapsed_s: Float64
    """Seconds of training so far, in all parts of the run."""
    var metrics: Metrics
    """What each iteration reached."""
    var best: Float64
    """Best success of the metric so far, -1 before the first."""
    var best_difficulty: Int
    """Difficulty at which `best` was reached; a higher one counts as better."""
    var rising: Bool
    """Whether the last evaluation raised the difficulty."""
    var schedule_iterations: Int
    """The run's length when it began, which a schedule without one of its own keeps."""

    def __init__(out self, var config: Config, options: Options):
        """A fresh run.

        Args:
            config: The config, which this run keeps.
            options: Threads, time budget and folder.
        """
        var seed = options.seed if options.seed >= 0 else config.seed
        self.strategy = EvolutionStrategy[Self.T, Self.hidden](
            config.es, UInt64(seed)
        )
        self.board = config.puzzle
        self.options = options.copy()
        self.config = config^
        self.iteration = 0
        self.steps = 0
        self.elapsed_s = 0
        self.metrics = Metrics()
        self.best = -1
        self.best_difficulty = 0
        self.rising = False
        self.schedule_iterations = self.config.learning.num_iterations

    def start_from(mut self, path: String) raises:
        """Continues the run in the folder `path`, or begins with the model in that file.

        Args:
            path: A run folder, a `.safetensors` file, or nothing for a fresh run.

        Raises:
            If it cannot be read or is of another kind.
        """
        if path.endswith(".safetensors"):
            self.strategy.weights = load_policy(path, self.strategy.LAYOUT)
        elif path != "":
            self.restore(path + "/" + STATE)
            self.metrics.lines = read_text(
                path + "/" + METRICS, MAX_METRICS_BYTES
            )

    def restore(mut self, path: String) raises:
        """Continues the run whose state is at `path`.

        A seed, a difficulty or a lower bound of it that the config or the command line says now,
        and did not say before, takes effect; a schedule keeps the length that it began with.

        Args:
            path: A state file that `save` wrote.

        Raises:
            If the file cannot be read or belongs to another network.
        """
        var tensors = Tensors.load(path)
        var size = len(self.strategy.weights)
        try:
            self.strategy.weights = tensors.values("weights", [size])
            self.strategy.first = tensors.values("first", [size])
            self.strategy.second = tensors.values("second", [size])
            self.strategy.generation = tensors.find_integer(
                "generation", 0, Int.MAX
            )
            var seed = tensors.find_integer("seed", 0, LARGEST_SEED)
            var difficulty = tensors.find_integer(
                "difficulty", 0, LARGEST_STEPS
            )
            self.hand_on(tensors, seed, difficulty)
            self.iteration = tensors.find_integer(
                "iteration", 0, Int.MAX
            )
            self.steps = tensors.find_integer(
                "steps", 0, Int.MAX
            )
            self.elapsed_s = tensors.find_number("elapsed_s", 0, 1e12)
            self.best = tensors.find_number("best", -1, 1)
            self.best_difficulty = tensors.find_integer(
                "best_difficulty", 0, LARGEST_STEPS
            )
        except error:
            raise Error(path, ": does not fit the config: ", error)

    def hand_on(mut self, tensors: Tensors, seed: Int, difficulty: Int) raises:
        """Takes over what the run has and the config says too.

        Args:
            tensors: The state of the run.
            seed: That of the run.
            difficulty: The one that the run has reached.

        Raises:
            If an entry is out of range.
        """
        ref learning = self.config.learning
        var first_difficulty = self.config.puzzle.difficulty
        var config_seed = self.config.seed
        var most = learning.max_difficulty
        if tensors.has_note("config_seed"):
            config_seed = tensors.find_integer("config_seed", 0, LARGEST_SEED)
            first_difficulty = tensors.find_integer(
                "config_difficulty", 0, LARGEST_STEPS
            )
            most = tensors.find_integer("config_diff_max", 0, LARGEST_STEPS)
            self.rising = tensors.find_integer("rising", 0, 1) == 1
            self.schedule_iterations = tensors.find_integer(
                "schedule_iterations", 0, Int.MAX
            )
        if self.options.seed < 0 and config_seed == self.config.seed:
            self.strategy.seed = UInt64(seed)
        if first_difficulty == self.config.puzzle.difficulty:
            self.board.difficulty = difficulty
        if most != learning.max_difficulty:
            self.board.difficulty = min(
                self.board.difficulty, learning.max_difficulty
            )
        if not self.config.has_schedule_length and self.schedule_iterations > 0:
            self.strategy.settings.optimizer.decline_generations = (
                self.schedule_iterations
                * self.config.generations_per_iteration
            )

    def save(self) raises:
        """Writes the model and the state, each wholly or not at all.

        Raises:
            If the disk is full or the folder is gone; the files from before stay.
        """
        self.save_policy(LAST)
        var state = Tensors()
        var size = len(self.strategy.weights)
        state.add("weights", [size], Span(self.strategy.weights))
        state.add("first", [size], Span(self.strategy.first))
        state.add("second", [size], Span(self.strategy.second))
        state.note("generation", String(self.strategy.generation))
        state.note("seed", String(self.strategy.seed))
        state.note("difficulty", String(self.board.difficulty))
        state.note("iteration", String(self.iteration))
        state.note("steps", String(self.steps))
        state.note("elapsed_s", String(self.elapsed_s))
        state.note("best", String(self.best))
        state.note("best_difficulty", String(self.best_difficulty))
        state.note("rising", "1" if self.rising else "0")
        state.note("schedule_iterations", String(self.schedule_iterations))
        state.note("config_seed", String(self.config.seed))
        state.note("config_difficulty", String(self.config.puzzle.difficulty))
        state.note(
            "config_diff_max", String(self.config.learning.max_difficulty)
        )
        state.save(self.options.folder + "/" + STATE)
        write_atomic(
            self.options.folder + "/" + METRICS, self.metrics.lines.as_bytes()
        )

    def save_policy(self, name: String) raises:
        """Writes the policy under `name` into the folder.

        Args:
            name: File name, such as `LAST`.

        Raises:
            If the disk is full or the folder is gone; the file from before stays.
        """
        var tensors = policy_tensors(
            self.strategy.weights, self.strategy.LAYOUT
        )
        tensors.save(self.options.folder + "/" + name)

    def learn(mut self) raises -> Int:
        """Trains to the end of the config, of the time budget, or to a signal.

        Returns:
            The exit status: 0, or 128 and the number of the signal, as 130 after Ctrl-C.

        Raises:
            If another training writes there, something cannot be saved or a thread cannot be
            started.
        """
        make_folder(self.options.folder)
        var lock = lock_folder(self.options.folder)
        try:
            var status = self.train()
            unlock_folder(lock)
            return status
        except error:
            unlock_folder(lock)
            raise error

    def train(mut self) raises -> Int:
        """What `learn` does in a folder that no other training writes into.

        Returns:
            As `learn`.

        Raises:
            As `learn`.
        """
        var text = self.options.config_text
        write_atomic(self.options.folder + "/" + BASE_CONFIG, text.as_bytes())
        var line = ProgressLine()
        var begin = perf_counter_ns()
        var begin_steps = self.steps
        var begin_elapsed_s = self.elapsed_s
        var reports = String()
        var status = 0
        var total = self.config.learning.num_iterations
        self.say_where_the_schedule_ends(line)
        while total == 0 or self.iteration < total:
            var difficulty = self.board.difficulty
            var last = self.iterate()
            var signal = interrupted()
            if signal != 0:
                status = 128 + signal
            reports = self.evaluate_due(reports)
            var seconds = Float64(perf_counter_ns() - begin) / 1e9
            self.elapsed_s = begin_elapsed_s + seconds
            self.metrics.end_iteration(
                self.iteration, difficulty, self.steps, self.elapsed_s
            )
            self.iteration += 1
            var every = self.config.log_every
            if every > 0 and self.iteration % every == 0:
                var rate = Float64(self.steps - begin_steps) / seconds / 1e6
                line.show(
                    String(
                        "generation ",
                        last.number + 1,
                        "  difficulty ",
                        self.board.difficulty,
                        "  solved ",
                        percent(last.success),
                        "  fitness ",
                        fixed(last.mean_fitness, 3),
                        reports,
                        "  ",
                        fixed(rate, 1),
                        " M steps/s  ",
                        clock(seconds),
                    )
                )
            if (
                self.config.save_every > 0
                and self.iteration % self.config.save_every == 0
            ):
                self.save()
            var budget = self.options.time_budget_s
            if budget == 0:
                budget = self.config.learning.time_budget_s
            # Of all parts of the run, as Python counts it.
            if status != 0 or (budget > 0 and self.elapsed_s >= budget):
                break
        line.close()
        self.save()
        line.say(self.farewell(status))
        return status

    def say_where_the_schedule_ends(self, mut line: ProgressLine):
        """Says it where the run goes on after it.

        Args:
            line: Where it is said.
        """
        ref optimizer = self.strategy.settings.optimizer
        var each = self.config.generations_per_iteration
        var length = optimizer.decline_generations // each
        var total = self.config.learning.num_iterations
        if optimizer.decline != Decline.CONSTANT and (
            total == 0 or total > length
        ):
            line.say(
                String(
                    "from iteration ",
                    length,
                    " on the learning rate stays ",
                    optimizer.rate * optimizer.final_ratio,
                    " - algorithm.training.lr_schedule.num_iterations can be",
                    " larger",
                )
            )

    def farewell(self, status: Int) -> String:
        """Where the run is saved, and the command to go on with.

        Args:
            status: The exit status; not 0 after a signal.

        Returns:
            A line; its command can be pasted into a shell.
        """
        var folder = quoted_word(self.options.folder)
        var next = String("try: twisterl eval ", folder)
        if status != 0:
            next = String(
                "go on with: mojo run ",
                quoted_word(self.options.program),
                " --resume ",
                folder,
            )
        return String("saved in ", self.options.folder, "; ", next)

    def iterate(mut self) raises -> Generation:
        """Plays the generations of one iteration; the last one.

        Returns:
            What the last generation reached.

        Raises:
            If a thread cannot be started.
        """
        var last = Generation(0, 0, 0, 0, 0)
        for _ in range(self.config.generations_per_iteration):
            last = self.strategy.step(self.board, self.options.threads)
            self.steps += last.steps
        return last

    def evaluate_due(mut self, before: String) raises -> String:
        """Plays the evaluations whose turn it is, raises the difficulty, keeps the best policy.

        Args:
            before: What was said at the last turn.

        Returns:
            What the progress line says about them, `before` if it was nobody's turn.

        Raises:
            If a thread cannot be started or the best policy cannot be saved.
        """
        var text = String()
        var total = self.config.learning.num_iterations
        for i in range(len(self.config.evaluations)):
            ref evaluation = self.config.evaluations[i]
            if (
                self.iteration + 1
            ) % evaluation.every != 0 and self.iteration + 1 != total:
                continue
            var report = evaluate[Self.T, Self.hidden](
                self.strategy.weights,
                self.config.es.player,
                evaluation,
                self.board,
                self.options.threads,
            )
            self.metrics.add_evaluation(evaluation.name, report)
            text += String(
                "  ",
                evaluation.name,
                " ",
                percent(report.success()),
                " (",
                fixed(report.mean_length(), 1),
                " moves)",
            )
            if evaluation.name == self.config.learning.metric:
                self.judge(report.success())
        return text if text != "" else before

    def judge(mut self, success: Float64) raises:
        """Keeps the policy if it is the best so far, and raises the difficulty if it may rise.

        Args:
            success: Share of solved episodes of the metric, in 0..=1.

        Raises:
            If the policy cannot be saved.
        """
        var difficulty = self.board.difficulty
        var better = difficulty > self.best_difficulty
        if better or (
            difficulty == self.best_difficulty and success >= self.best
        ):
            self.best = success
            self.best_difficulty = difficulty
            self.save_policy(BEST)
        ref learning = self.config.learning
        var least = (
            learning.threshold_min if self.rising else learning.threshold
        )
        self.rising = success >= least
        if self.rising and difficulty < learning.max_difficulty:
            var step = learning.step if difficulty > learning.warmup else 1
            self.board.difficulty = min(
                difficulty + step, learning.max_difficulty
            )


def load_policy(path: String, layout: Layout) raises -> List[Float32]:
    """The weights of the `BasicPolicy` at `path`, in the order of `layout`.

    Args:
        path: A safetensors file.
        layout: Widths of the network that the config describes.

    Returns:
        `layout.size()` floats, and zeros up to a whole block of noise.

    Raises:
        If the file cannot be read or holds another policy.
    """
    var tensors = Tensors.load(path)
    try:
        return policy_weights(tensors, layout)
    except error:
        raise Error(path, ": does not fit the config: ", error)
