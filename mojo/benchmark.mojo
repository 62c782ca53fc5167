"""Throughput of the Mojo port on this machine: `mojo run benchmark.mojo --help`."""

from std.benchmark import keep
from std.ffi import external_call
from std.sys import argv, exit, stderr
from std.time import perf_counter_ns

from twisterl.episodes import Player, play
from twisterl.es import EsSettings, EvolutionStrategy, initial_weights
from twisterl.json import quoted
from twisterl.network import AlignedWeights, Layout
from twisterl.puzzle import Puzzle, Settings
from twisterl.rng import Rng
from twisterl.signature import signature
from twisterl.terminal import fixed, keep_streams, put
from twisterl.tiles import ArrayTiles, PackedTiles, Tiles
from twisterl.workers import worker_count

comptime ROUND_NS = 20_000_000
comptime LONG_ROUND_NS = 400_000_000
"""Of rates in wall time: long enough that starting threads and other programs even out."""
comptime HIDDEN = 32
comptime HELP = """Measure environment, policy and Evolution Strategies on this machine.

usage: mojo run benchmark.mojo [options]

  --difficulty D  random moves of a reset and of the policy's episodes (20 and 100)
  --rounds N      rounds, of which the median is taken (15)
  --steps         leave Evolution Strategies out
  --json          print one JSON object instead of the table
  --signature     print the number that stands for all behaviour, and its parts, instead
"""


@fieldwise_init
struct Options(ImplicitlyCopyable):
    """What the command line asks for."""

    var difficulty: Int
    """Of resets."""
    var played_difficulty: Int
    """Of the episodes that a policy plays."""
    var rounds: Int
    var steps_alone: Bool
    var json: Bool


def parse(arguments: List[String]) raises -> Options:
    """The options; an error names the one that is unknown or out of range."""
    var options = Options(20, 100, 15, False, False)
    var index = 0
    while index < len(arguments):
        var name = arguments[index]
        index += 1
        if name == "--json":
            options.json = True
        elif name == "--steps":
            options.steps_alone = True
        elif name == "--difficulty" or name == "--rounds":
            if index == len(arguments):
                raise Error(name + ": expected a number, got nothing")
            var number = Int(arguments[index])
            index += 1
            if number < 1 or number > 1_000_000:
                raise Error(String(name, ": expected 1 to 1,000,000, got ", number))
            if name == "--rounds":
                options.rounds = number
            else:
                options.difficulty = number
                options.played_difficulty = number
        else:
            raise Error(name + " is unknown; --help lists the options")
    return options


struct Figure(Copyable, Movable):
    """One measured quantity: the median of its rounds, and their spread."""

    var name: String
    var unit: String
    var median: Float64
    var low: Float64
    var high: Float64

    def __init__(out self, name: String, unit: String, var rounds: List[Float64]):
        """Of the figures of all rounds."""
        sort(rounds)
        self.name = name
        self.unit = unit
        self.median = rounds[len(rounds) // 2]
        self.low = rounds[0]
        self.high = rounds[len(rounds) - 1]


trait Work:
    """Something that can be done many times."""

    def do(mut self, repeats: Int) raises -> Int:
        """Does it `repeats` times and returns how much that was."""
        ...


def cpu_time_ns() -> Int:
    """Processor time of this program so far, which other programs do not lengthen."""
    return external_call["clock", Int]() * 1000


def time[W: Work](name: String, unit: String, rounds: Int, mut work: W) raises -> Figure:
    """Times `work`: processor time, or for a `unit` that begins with "M" a rate in wall time."""
    var is_rate = unit.startswith("M")
    var repeats = repeats_for(work, LONG_ROUND_NS if is_rate else ROUND_NS)
    var figures = List[Float64]()
    for _ in range(rounds):
        var start = Int(perf_counter_ns()) if is_rate else cpu_time_ns()
        var amount = Float64(work.do(repeats))
        var end = Int(perf_counter_ns()) if is_rate else cpu_time_ns()
        var nanoseconds = Float64(end - start) / amount
        if is_rate:
            figures.append(1000 / nanoseconds)
        else:
            figures.append(nanoseconds / 1000 if unit == "µs" else nanoseconds)
    return Figure(name, unit, figures^)


def repeats_for[W: Work](mut work: W, nanoseconds: Int) raises -> Int:
    """A power of two with which `work` takes about that long."""
    var repeats = 1
    while True:
        var start = perf_counter_ns()
        _ = work.do(repeats)
        if 2 * Int(perf_counter_ns() - start) >= nanoseconds:
            return repeats
        repeats *= 2


def speed_up(threads: Int, rounds: Int) raises -> Figure:
    """How many times faster `threads` threads play generations than one: they take turns."""
    var one = Generations(1)
    var many = Generations(threads)
    var repeats = repeats_for(one, LONG_ROUND_NS)
    var ratios = List[Float64]()
    for _ in range(rounds):
        var start = perf_counter_ns()
        _ = one.do(repeats)
        var middle = perf_counter_ns()
        _ = many.do(repeats)
        ratios.append(Float64(middle - start) / Float64(perf_counter_ns() - middle))
    var name = String("Evolution Strategies, 1 → ", threads, " threads")
    return Figure(name, "times", ratios^)


struct Resets[T: Tiles](Work):
    """Resets with as many random moves as the difficulty."""

    var board: Puzzle[Self.T]
    var rng: Rng

    def __init__(out self, difficulty: Int):
        self.board = Puzzle[Self.T](Settings(difficulty=difficulty))
        self.rng = Rng(1)

    def do(mut self, repeats: Int) raises -> Int:
        """Resets the board."""
        for _ in range(repeats):
            self.board.reset(self.rng)
            keep(self.board.tile(0))
        return repeats


@always_inline
def combined_step[T: Tiles](mut board: Puzzle[T], action: Int) -> Float32:
    """Observation, masks, step, reward and end: what a learner asks of every step."""
    var features = Int(0)
    comptime for cell in range(T.CELLS):
        features += cell * T.CELLS + board.tile(cell)
    keep(features)
    keep(board.masks())
    board.step(action)
    keep(board.is_final())
    return board.reward()


struct Steps[T: Tiles, combined: Bool](Work):
    """Steps by actions drawn beforehand: `combined`, or the transition alone."""

    var board: Puzzle[Self.T]
    var actions: List[UInt8]

    def __init__(out self):
        self.board = Puzzle[Self.T](Settings())
        self.actions = List[UInt8]()
        var rng = Rng(1)
        for _ in range(4096):
            self.actions.append(UInt8(rng.below(4)))

    def do(mut self, repeats: Int) raises -> Int:
        """Plays all the actions."""
        var total = Float32(0)
        # A board of this function can stay in registers, where `keep` does not look.
        var board = self.board.copy()
        for _ in range(repeats):
            for action in self.actions:
                comptime if Self.combined:
                    total += combined_step(board, Int(action))
                else:
                    board.step(Int(action))
            keep(board.tile(0))
        keep(total)
        self.board = board^
        return repeats * len(self.actions)


struct Rollout[T: Tiles](Work):
    """10,000 combined steps by random actions, with a reset at the end of each episode."""

    var board: Puzzle[Self.T]
    var rng: Rng

    def __init__(out self, difficulty: Int):
        self.board = Puzzle[Self.T](Settings(difficulty=difficulty))
        self.rng = Rng(1)

    def do(mut self, repeats: Int) raises -> Int:
        """Plays 10,000 steps."""
        var total = Float32(0)
        var board = self.board.copy()
        for _ in range(repeats):
            board.reset(self.rng)
            for _ in range(10_000 // 32):
                # Two bits an action, as in a scramble.
                var word = self.rng.next()
                for _ in range(32):
                    total += combined_step(board, Int(word & 3))
                    word >>= 2
                    if board.is_final():
                        board.reset(self.rng)
        keep(total)
        self.board = board^
        return repeats


struct Playing[side: Int, interleaved: Int](Work):
    """Episodes by a policy with 32 hidden units, 81-32-4 on the 8-puzzle."""

    comptime T = PackedTiles[Self.side, Self.side]
    var weights: AlignedWeights
    var starts: List[Puzzle[Self.T]]
    var moves: List[Int]

    def __init__(out self, difficulty: Int):
        var features = Self.T.CELLS * Self.T.CELLS
        var weights = initial_weights(Layout(features, HIDDEN), 1)
        self.weights = AlignedWeights(len(weights))
        for i in range(len(weights)):
            self.weights.start()[unsafe_offset=i] = weights[i]
        self.starts = List[Puzzle[Self.T]]()
        var rng = Rng(1)
        for _ in range(64):
            var start = Puzzle[Self.T](Settings(difficulty=difficulty, forbid_undo=True))
            start.reset(rng)
            self.starts.append(start^)
        self.moves = List[Int](length=len(self.starts), fill=0)

    def do(mut self, repeats: Int) raises -> Int:
        """Plays from all starts; policy steps."""
        var steps = 0
        for _ in range(repeats):
            var score = play[Self.T, HIDDEN, Player.POLICY, Self.interleaved](
                self.weights.start(), Span(self.starts), self.moves
            )
            steps += score.steps
        return steps


struct Generations(Work):
    """Generations of Evolution Strategies on the 8-puzzle, always the first."""

    comptime ES = EvolutionStrategy[PackedTiles[3, 3], HIDDEN]
    var threads: Int

    def __init__(out self, threads: Int):
        self.threads = threads

    def do(mut self, repeats: Int) raises -> Int:
        """Plays generations; policy steps."""
        var settings = EsSettings()
        settings.uniform_difficulty = True
        var steps = 0
        for _ in range(repeats):
            var es = Self.ES(settings, 1)
            for _ in range(2):
                steps += es.step(Settings(difficulty=100, forbid_undo=True), self.threads).steps
        return steps


def measure(options: Options) raises -> List[Figure]:
    """All figures."""
    var figures = List[Figure]()
    environment[ArrayTiles[3, 3]]("InlineArray", options, figures)
    environment[PackedTiles[3, 3]]("64 bits", options, figures)
    environment[PackedTiles[4, 4]]("4×4, 64 bits", options, figures)
    policy_step[3, 1]("one episode", options, figures)
    policy_step[3, 8]("8 interleaved", options, figures)
    policy_step[4, 8]("8 interleaved", options, figures)
    if options.steps_alone:
        return figures^
    for threads in [1, 2, 4, 8]:
        if worker_count(threads) == threads:
            var generations = Generations(threads)
            var name = String("Evolution Strategies, ", threads, " thread")
            name += "s" if threads > 1 else ""
            figures.append(time(name, "M steps/s", options.rounds, generations))
            figures.append(time(name + ", a policy step", "ns", options.rounds, generations))
    if worker_count(2) == 2:
        figures.append(speed_up(2, options.rounds))
    return figures^


def environment[T: Tiles](kind: String, options: Options, mut figures: List[Figure]) raises:
    """Measures boards of `T`."""
    var rounds = options.rounds
    var resets = Resets[T](options.difficulty)
    var name = String("reset, ", options.difficulty, " moves, ", kind)
    figures.append(time(name, "ns", rounds, resets))
    var steps = Steps[T, False]()
    figures.append(time("step, " + kind, "ns", rounds, steps))
    var combined = Steps[T, True]()
    figures.append(time("combined step, " + kind, "ns", rounds, combined))
    var rollout = Rollout[T](options.difficulty)
    figures.append(time("10,000 random steps, " + kind, "µs", rounds, rollout))


def policy_step[
    side: Int, interleaved: Int
](how: String, options: Options, mut figures: List[Figure]) raises:
    """Measures a policy on boards of `side`."""
    var playing = Playing[side, interleaved](options.played_difficulty)
    var name = String("policy step ", side**4, "-", HIDDEN, "-4, ", how)
    figures.append(time(name, "ns", options.rounds, playing))


def as_json(figures: List[Figure]) -> String:
    """The figures as one JSON object."""
    var text = String('{"figures": [')
    for i in range(len(figures)):
        ref figure = figures[i]
        text += String(", " if i > 0 else "", '{"name": ', quoted(figure.name))
        text += String(', "unit": ', quoted(figure.unit), ', "median": ', fixed(figure.median, 4))
        text += String(', "low": ', fixed(figure.low, 4), ', "high": ', fixed(figure.high, 4), "}")
    return text + "]}"


def padded_to(text: String, width: Int) -> String:
    """`text` with spaces before it, `width` characters at least."""
    var spaces = max(0, width - text.count_codepoints())
    return String(" ") * spaces + text


def table(figures: List[Figure]) -> String:
    """The figures as a table."""
    var text = String(" ") * 44 + "    median    lowest   highest\n"
    for figure in figures:
        text += figure.name + padded_to("", 44 - figure.name.count_codepoints())
        for value in [figure.median, figure.low, figure.high]:
            text += padded_to(fixed(value, 2), 10)
        text += "  " + figure.unit + "\n"
    return text^


def main():
    keep_streams()
    var arguments = List[String]()
    for argument in argv()[1:]:
        arguments.append(String(argument))
    try:
        if len(arguments) == 1 and arguments[0] == "--help":
            put(HELP)
            return
        if len(arguments) == 1 and arguments[0] == "--signature":
            put(String("\n").join(signature()) + "\n")
            return
        var options = parse(arguments)
        var figures = measure(options)
        put(as_json(figures) + "\n" if options.json else table(figures))
    except error:
        print("error:", error, file=stderr)
        exit(1)
