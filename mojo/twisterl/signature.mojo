"""What this port has of specs/signature.txt: random streams and the puzzle.

The numbers change when, and only when, behaviour does; docs/parity.md says what
they are made of.
"""

from .es import untracked
from .evaluate import STREAM_TAG
from .moves import NUM_ACTIONS
from .network import Layout
from .puzzle import Puzzle, Settings
from .rng import Rng
from .tiles import PackedTiles
from .trace import (
    Workload,
    hexadecimal,
    join,
    join_game,
    play_lane,
    record_weights,
    streams,
)

comptime SEED = UInt64(1)
"""Names all streams."""
comptime LANES = 256
"""Streams, and lanes of random play."""
comptime STEPS = 128
"""Draws of a stream, moves of a lane."""
comptime EPISODES = 500
"""Games of greedy play."""
comptime HIDDEN = 32
"""Hidden units of the network that plays greedily."""
comptime SIDE = 3
"""Columns and rows of the default board."""
comptime Layer = List[Float32]
"""Weights or biases of a layer."""


def signature() -> List[String]:
    """The lines of specs/signature.txt that this port has.

    Returns:
        The number of the puzzle with the streams, then those it is made of.
    """
    var settings = Settings(difficulty=24, depth_slope=2, max_depth=40)
    var digests = [
        streams(SEED, LANES, STEPS),
        play_digest(settings),
        greedy_digest(settings),
    ]
    var names = ["streams", "puzzle play", "puzzle greedy"]
    var total = UInt64(0)
    var lines = List[String]()
    for i in range(len(digests)):
        total = join(total, digests[i])
        lines.append(String(hexadecimal(digests[i]), "  ", names[i]))
    lines.insert(0, hexadecimal(total) + "  puzzle")
    return lines^


def play_digest(settings: Settings) -> UInt64:
    """Random play in all lanes.

    Args:
        settings: Rules of the boards.

    Returns:
        The digest.
    """
    var workload = Workload(settings.copy(), SEED, STEPS, uniform=True)
    var weights = record_weights(SIDE * SIDE)
    var unused = String()
    var digest = UInt64(0)
    for lane in range(LANES):
        var played = play_lane[SIDE, SIDE](workload, lane, weights, unused)
        digest = join(digest, played)
    return join(0, digest)


def greedy_digest(settings: Settings) -> UInt64:
    """Greedy play from scrambles, game after game.

    Args:
        settings: Rules of the boards.

    Returns:
        The digest.
    """
    var weights = exact_weights()
    var floats = untracked(weights)
    var digest = UInt64(0)
    for episode in range(EPISODES):
        var rng = Rng.stream(SEED ^ STREAM_TAG, 0, UInt64(episode))
        var board = Puzzle[PackedTiles[SIDE, SIDE]](settings)
        board.reset(rng)
        var played = List[Int]()
        digest = join_game[PackedTiles[SIDE, SIDE], HIDDEN](
            digest, board, floats, played
        )
    _ = weights^
    return digest


def exact_weights() -> Layer:
    """Weights that are multiples of 1/32, so that no sum is ever rounded.

    Returns:
        A network in the order of `Layout`.
    """
    comptime layout = Layout(SIDE * SIDE * SIDE * SIDE, HIDDEN)
    var rng = Rng(SEED)
    var weights = Layer(length=layout.size(), fill=0)
    # The draws come input by input, a head's weights are kept output by output.
    for i in range(layout.action_weight()):
        weights[i] = drawn(rng)
    for unit in range(HIDDEN):
        for action in range(NUM_ACTIONS):
            var place = layout.action_weight() + action * HIDDEN + unit
            weights[place] = drawn(rng)
    for action in range(NUM_ACTIONS):
        weights[layout.action_bias() + action] = drawn(rng)
    return weights^


def drawn(mut rng: Rng) -> Float32:
    """A random weight.

    Args:
        rng: Where it is drawn from.

    Returns:
        A multiple of 1/32 from -1 to 1.
    """
    return (Float32(rng.below(65)) - 32) / 32
