"""Trains a sliding puzzle by Evolution Strategies: `mojo run train_puzzle.mojo`."""

from std.os.path import exists
from std.sys import argv, exit, stderr

from twisterl.config import MAX_BYTES, Config
from twisterl.files import read_text
from twisterl.interrupt import hold_interrupts
from twisterl.run import Options, Run
from twisterl.terminal import keep_streams, put
from twisterl.tiles import ArrayTiles, PackedTiles, Tiles
from twisterl.workers import worker_count

comptime EXAMPLE = "examples/es_puzzle8_v1.json"
comptime PROGRAM = "mojo/train_puzzle.mojo"
comptime HELP = """Train a sliding puzzle by Evolution Strategies.

usage: mojo run mojo/train_puzzle.mojo [options]

  --config FILE         run config (examples/es_puzzle8_v1.json, or that of the run resumed)
  --seed N              in place of the config's, 0 to 9223372036854775807
  --threads N           at most as many as there are cores (all); the result is the same
  --time-budget S       stop after S seconds of training, of all parts of the run
  --resume PATH         continue a run folder, or start from a model (.safetensors)
  --out FOLDER          where the run is saved (runs/<config name>, or the folder resumed)

examples, from the root of the repository:
  mojo run mojo/train_puzzle.mojo
      the 8-puzzle; Ctrl-C saves and ends
  mojo run mojo/train_puzzle.mojo --config examples/es_puzzle15_v1.json --time-budget 60
      the 15-puzzle for a minute
  mojo run mojo/train_puzzle.mojo --resume runs/es_puzzle8_v1
      goes on where that run ended, as if it had never stopped
  twisterl solve runs/es_puzzle8_v1 "8 7 5 3 2 0 4 6 1"
      Python plays what Mojo has trained: the folder holds checkpoint_last.safetensors,
      checkpoint_best.safetensors and base_config.json, which every language reads

In the folder mojo, `mojo run train_puzzle.mojo` takes the same example and saves in the same folder.
Boards of 2x2 to 5x5 and an embedding_size of 32, 64 or 128 are compiled in. A fault is one line
that names the key of the config, and exit status 1; Ctrl-C is exit status
130, a closed terminal 129, SIGTERM 143, and all three save.
"""


def main():
    keep_streams()
    try:
        exit(train())
    except error:
        print("error:", error, file=stderr)
        exit(1)


def train() raises -> Int:
    """Does what the command line says; the exit status."""
    var arguments = List[String]()
    for argument in argv():
        arguments.append(String(argument))
    var config_path = String()
    var options = Options("", "", 4096, 0, "", -1, "", "")
    var index = 1
    while index < len(arguments):
        var name = arguments[index]
        if name == "--help" or name == "-h":
            put(HELP)
            return 0
        if name not in [
            "--config",
            "--seed",
            "--threads",
            "--time-budget",
            "--resume",
            "--out",
        ]:
            raise Error(name, ": unknown option; --help lists them")
        # As in Python, an option that follows is no value of the one before it.
        if index + 1 == len(arguments) or arguments[index + 1].startswith("--"):
            raise Error(name, ": expected a value after it")
        var value = arguments[index + 1]
        if value == "":
            raise Error(name, ": expected a value, got an empty one")
        if name == "--config":
            config_path = value
        elif name == "--seed":
            options.seed = whole_number(name, value, 0)
        elif name == "--threads":
            options.threads = whole_number(name, value, 1)
        elif name == "--time-budget":
            options.time_budget_s = seconds(name, value)
        elif name == "--resume":
            options.resume = value
        else:
            options.folder = value
        index += 2
    return dispatch(config_path, options^)


def whole_number(name: String, value: String, low: Int) raises -> Int:
    """The number after option `name`.

    Raises:
        If it is none, below `low` or above 2^63 - 1.
    """
    try:
        var number = atol(value)
        if number >= low:
            return number
    except:
        pass
    raise Error(
        name,
        ": expected a whole number in ",
        low,
        "..=",
        Int.MAX,
        ", got ",
        value,
    )


def seconds(name: String, value: String) raises -> Float64:
    """The time after option `name`.

    Raises:
        If it is no positive number.
    """
    try:
        var number = atof(value)
        if number > 0:
            return number
    except:
        pass
    raise Error(name, ": expected a number of seconds above 0, got ", value)


def dispatch(var config_path: String, var options: Options) raises -> Int:
    """Trains with the code compiled for the config's board and network; the exit status.

    Raises:
        If there is none, or as `Run.learn`.
    """
    # The root of the repository, as seen from there or from the folder of this program.
    var root = String("" if exists(PROGRAM) or not exists("../" + PROGRAM) else "../")
    options.program = root + PROGRAM
    if config_path == "":
        var resumed = options.resume + "/base_config.json"
        config_path = root + EXAMPLE
        if options.resume != "" and exists(resumed):
            config_path = resumed
    var text = read_text(config_path, MAX_BYTES)
    var config: Config
    try:
        config = Config(text)
    except error:
        raise Error(config_path, ": ", error)
    options.config_path = config_path
    options.config_text = text
    options.threads = worker_count(min(options.threads, config.num_cores))
    if options.folder == "":
        options.folder = default_folder(root, config_path, options.resume)
    comptime for side in range(2, 6):
        if config.width == side and config.height == side:
            comptime if side <= 4:
                return with_board[PackedTiles[side, side]](config^, options)
            else:
                return with_board[ArrayTiles[side, side]](config^, options)
    raise Error(
        config_path,
        (
            ": env: expected a board of 2x2, 3x3, 4x4 or 5x5 (what is"
            " compiled), got "
        ),
        config.width,
        "x",
        config.height,
    )


def with_board[T: Tiles](var config: Config, options: Options) raises -> Int:
    """Trains on boards of `T`; the exit status.

    Raises:
        If no code is compiled for the network's width, or as `Run.learn`.
    """
    comptime for hidden in [32, 64, 128]:
        if config.embedding_size == hidden:
            var run = Run[T, hidden](config^, options)
            run.start_from(options.resume)
            hold_interrupts()
            return run.learn()
    raise Error(
        options.config_path,
        (
            ": policy.embedding_size: expected 32, 64 or 128 (what is "
            "compiled), got "
        ),
        config.embedding_size,
    )


def default_folder(root: String, config_path: String, resume: String) -> String:
    """The folder to save into where none is named: beside `examples` for the example."""
    if resume != "" and not resume.endswith(".safetensors"):
        return resume
    var begin = config_path.rfind("/") + 1
    var beside = root if config_path == root + EXAMPLE else String()
    return String(
        String(beside, "runs/", config_path[byte=begin:]).removesuffix(".json")
    )
