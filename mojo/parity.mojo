"""The Mojo port of the parity check: `parity REQUESTS.json`, one JSON line for each request.

docs/parity.md has the protocol; tests/parity/compare.py asks. It knows the sliding puzzle.
"""

from std.memory import bitcast
from std.sys import argv, exit, stderr

from twisterl.episodes import best_action
from twisterl.es import untracked
from twisterl.evaluate import STREAM_TAG
from twisterl.files import read_text
from twisterl.json import ABSENT, Json
from twisterl.network import Layout
from twisterl.puzzle import Board, NUM_ACTIONS, PackedPuzzle, Puzzle, Settings, reset_uniform
from twisterl.rng import Rng
from twisterl.weights import Tensors, policy_weights

comptime WEIGHTS_SEED = UInt64(0x706172697479)
"""Names the stream of the weights of a record's numbers."""
comptime MULTIPLIER = UInt64(0x9E3779B97F4A7C15)
comptime HEAD = 3
"""Position of the first mask in a record, after the move, the reward and the flags."""
comptime GROUP = 64
"""Lanes that are played on one kind of board; the kinds take turns."""
comptime HIDDEN = 32
"""Width of the saved policy."""
comptime MAX_BYTES = 1 << 20


struct Request(Copyable, Movable):
    """A request, read out of its document."""

    var task: String
    var settings: Settings
    var width: Int
    var height: Int
    var seed: Int
    var first_lane: Int
    var lanes: Int
    var steps: Int
    var block: Int
    var boards: Int
    var board: Int
    var uniform: Bool
    var weights: String

    def __init__(out self, document: Json, node: Int) raises:
        """The request at `node`; what is absent is 0."""

        def number(at: Int, key: String) raises {imm document} -> Int:
            var found = document.member(at, key)
            return 0 if found == ABSENT else document.integer(found)

        self.task = document.text(document.member(node, "task"))
        var parameters = document.member(node, "parameters")
        self.settings = Settings()
        self.width = 0
        self.height = 0
        if parameters != ABSENT:
            var undo = document.member(parameters, "forbid_undo")
            self.settings = Settings(
                difficulty=number(parameters, "difficulty"),
                depth_slope=number(parameters, "depth_slope"),
                max_depth=number(parameters, "max_depth"),
                forbid_undo=undo != ABSENT and document.boolean(undo),
            )
            self.width = number(parameters, "width")
            self.height = number(parameters, "height")
        self.seed = number(node, "seed")
        self.first_lane = number(node, "first_lane")
        self.lanes = number(node, "lanes")
        self.steps = number(node, "steps")
        self.block = number(node, "block")
        self.boards = number(node, "boards")
        var board = document.member(node, "board")
        self.board = -1 if board == ABSENT else document.integer(board)
        var uniform = document.member(node, "uniform")
        self.uniform = uniform != ABSENT and document.boolean(uniform)
        var weights = document.member(node, "weights")
        self.weights = "" if weights == ABSENT else document.text(weights)


def main():
    try:
        var document = Json.parse(read_text(String(argv()[1]), MAX_BYTES))
        for index in range(document.length(0)):
            answer(Request(document, document.item(0, index)))
    except error:
        print("error:", error, file=stderr)
        exit(1)


def answer(request: Request) raises:
    """Prints the answer.

    Raises:
        If the task or the board's size is unknown.
    """
    if request.task == "words":
        print('{"digests": ["', hexadecimal(words(request)), '"]}', sep="")
        return
    comptime for size in [22, 33, 44, 53]:
        comptime width = size // 10
        comptime height = size % 10
        if request.width == width and request.height == height:
            if request.task == "digests":
                digests[width, height](request)
            elif request.task == "records":
                records[width, height](request)
            elif request.task == "greedy" and size == 33:
                greedy[width, height](request)
            else:
                raise Error("task: expected one of docs/parity.md, got ", request.task)
            return
    raise Error("expected a compiled size, got ", request.width, "x", request.height)


def hexadecimal(word: UInt64) -> String:
    """`word` in 16 digits."""
    comptime digits = "0123456789abcdef"
    var text = String()
    for shift in range(60, -4, -4):
        var digit = Int(word >> UInt64(shift)) & 15
        text += digits[byte=digit : digit + 1]
    return text


@always_inline
def join(digest: UInt64, word: UInt64) -> UInt64:
    """Joins `word` to what `digest` stands for; the order matters."""
    var mixed = digest ^ word
    return (mixed << 23 | mixed >> 41) * MULTIPLIER


def words(request: Request) -> UInt64:
    """Words, bounded draws and floats of the streams of all lanes."""
    var digest = UInt64(0)
    for lane in range(request.lanes):
        var rng = Rng.stream(UInt64(request.seed), UInt64(lane % 7), UInt64(lane))
        for step in range(request.steps):
            if step % 3 == 0:
                digest = join(digest, rng.next())
            elif step % 3 == 1:
                digest = join(digest, rng.below(UInt64(1 + (lane & 1023))))
            else:
                digest = join(digest, UInt64(bitcast[DType.uint32](rng.unit())))
    return digest


def digests[width: Int, height: Int](request: Request):
    """Prints a digest for every `block` lanes."""
    var weights = List[UInt64]()
    var stream = Rng(WEIGHTS_SEED)
    for _ in range(HEAD + NUM_ACTIONS + width * height):
        weights.append(stream.next())
    var text = String('{"digests": [')
    var block = UInt64(0)
    var unused = String()
    for index in range(request.lanes):
        var digest = play_lane[width, height](request, request.first_lane + index, weights, unused)
        block = join(block, digest)
        if (index + 1) % request.block == 0 or index + 1 == request.lanes:
            text += String('"' if index < request.block else ', "') + hexadecimal(block) + '"'
            block = 0
    print(text, "]}", sep="")


def records[width: Int, height: Int](request: Request):
    """Prints every record of the first lane."""
    var text = String()
    _ = play_lane[width, height](request, request.first_lane, List[UInt64](), text)
    print('{"records": [', text, "]}", sep="")


def play_lane[
    width: Int, height: Int
](request: Request, lane: Int, weights: List[UInt64], mut text: String) -> UInt64:
    """The digest of a lane; without `weights` its records, appended to `text`."""
    comptime if width * height <= 16:
        if lane // GROUP % 2 == 1:
            return play[PackedPuzzle[width, height]](request, lane, weights, text)
    return play[Puzzle[width, height]](request, lane, weights, text)


def play[
    B: Board
](request: Request, lane: Int, weights: List[UInt64], mut text: String) -> UInt64:
    """As `play_lane`, on boards `B`."""
    var stream = Rng.stream(UInt64(request.seed), 0, UInt64(lane))
    var board = B(request.settings)
    var digest = UInt64(0)
    var going = False
    for step in range(request.steps):
        var word = stream.next()
        var made: Int
        var name: String
        if going:
            var action = choose(word, Int(board.masks()))
            board.step(action)
            made = 2 * action + 1
            name = String("step ", action)
        else:
            var start = Rng(word >> 1)
            if request.uniform and word & 3 == 3:
                reset_uniform(board, start, request.width)
                made = 0
                name = "uniform"
            else:
                var difficulty = 1 + upper(word, request.settings.difficulty)
                board.scramble(start, difficulty)
                made = 2 * difficulty
                name = String("reset ", difficulty)
        going = not board.is_final()
        if len(weights) > 0:
            digest = join(digest, record_sum(board, made, weights))
        else:
            text += String("" if step == 0 else ", ") + record(board, name)
    return digest


@always_inline
def upper(word: UInt64, bound: Int) -> Int:
    """A number in 0..bound from the upper half of `word`."""
    return Int(((word >> 32) * UInt64(bound)) >> 32)


def choose(word: UInt64, masks: Int) -> Int:
    """One in eight of all actions, the others of the legal ones."""
    var legal = 0
    for action in range(NUM_ACTIONS):
        legal += masks >> action & 1
    if word & 7 == 0 or legal == 0:
        return upper(word, NUM_ACTIONS)
    var left = upper(word, legal)
    for action in range(NUM_ACTIONS):
        if masks >> action & 1 == 1:
            if left == 0:
                return action
            left -= 1
    return 0


def record_sum[B: Board](board: B, made: Int, weights: List[UInt64]) -> UInt64:
    """The numbers of a record times their weights."""
    var final = Int(board.is_final())
    var success = Int(board.solved())
    var truncated = Int(board.depth() == 0 and not board.solved())
    var total = UInt64(made) * weights[0]
    total += UInt64(bitcast[DType.uint32](board.reward())) * weights[1]
    total += UInt64(final + 2 * success + 4 * truncated) * weights[2]
    var masks = Int(board.masks())
    for action in range(NUM_ACTIONS):
        total += UInt64(masks >> action & 1) * weights[HEAD + action]
    for cell in range(B.CELLS):
        var feature = cell * B.CELLS + board.tile(cell)
        total += UInt64(feature + 1) * weights[HEAD + NUM_ACTIONS + cell]
    return total


def record[B: Board](board: B, name: String) -> String:
    """What is seen of `board` after the move `name`, as JSON."""

    def flag(value: Bool) -> String:
        return "true" if value else "false"

    var truncated = board.depth() == 0 and not board.solved()
    var text = String('{"move": "', name, '", "reward": ', Float64(board.reward()))
    text += ', "final": ' + flag(board.is_final()) + ', "success": ' + flag(board.solved())
    text += ', "truncated": ' + flag(truncated) + ', "masks": "'
    for action in range(NUM_ACTIONS):
        text += String(Int(board.masks()) >> action & 1)
    text += '", "observation": ['
    for cell in range(B.CELLS):
        text += String("" if cell == 0 else ", ", cell * B.CELLS + board.tile(cell))
    return text + "]}"


def greedy[width: Int, height: Int](request: Request) raises:
    """Prints a digest of every game of the saved policy from uniform starts.

    Raises:
        If the policy cannot be read or has another width.
    """
    comptime cells = width * height
    comptime layout = Layout(cells * cells, HIDDEN)
    var weights = policy_weights(Tensors.load(request.weights), layout)
    var floats = untracked(weights)
    var text = String('{"digests": [')
    var successes = 0
    var played = String()
    for index in range(request.boards):
        var rng = Rng.stream(UInt64(request.seed) ^ STREAM_TAG, 0, UInt64(index))
        var board = PackedPuzzle[width, height](request.settings)
        reset_uniform(board, rng, width)
        var digest = UInt64(0)
        var reward = board.reward()
        while not board.is_final():
            var action = best_action[PackedPuzzle[width, height], HIDDEN](board, floats)
            board.step(action)
            reward += board.reward()
            digest = join(digest, UInt64(action))
            if index == request.board:
                played += String("" if played == "" else ", ", action)
        successes += Int(board.solved())
        digest = join(digest, UInt64(Int(board.solved())))
        digest = join(digest, UInt64(bitcast[DType.uint32](reward)))
        text += String('"' if index == 0 else ', "') + hexadecimal(digest) + '"'
    _ = weights^
    print(text, '], "successes": ', successes, ', "actions": [', played, "]}", sep="")
