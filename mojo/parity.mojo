"""The Mojo port of the parity check: `parity REQUESTS.json`, one JSON line for each request.

docs/parity.md has the protocol; tests/parity/compare.py asks. It knows the sliding puzzle.
"""

from std.memory import bitcast
from std.sys import argv, exit, stderr

from twisterl.es import untracked
from twisterl.evaluate import STREAM_TAG
from twisterl.files import read_file, read_text
from twisterl.json import ABSENT, Json
from twisterl.network import Layout
from twisterl.puzzle import Puzzle, Settings
from twisterl.rng import Rng
from twisterl.signature import signature
from twisterl.terminal import keep_streams
from twisterl.tiles import PackedTiles
from twisterl.trace import (
    Workload,
    hexadecimal,
    join,
    join_game,
    play_lane,
    record_weights,
    streams,
)
from twisterl.weights import Tensors, decode, policy_weights

comptime HIDDEN = 32
"""Width of the saved policy."""
comptime MAX_BYTES = 1 << 20
comptime MAX_PACK_BYTES = 1 << 30


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
    var pack: String

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
        var pack = document.member(node, "pack")
        self.pack = "" if pack == ABSENT else document.text(pack)

    def workload(self) -> Workload:
        """What is played, but for the lanes."""
        return Workload(
            self.settings.copy(), UInt64(self.seed), self.steps, self.uniform
        )


def main():
    keep_streams()
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
        var digest = streams(UInt64(request.seed), request.lanes, request.steps)
        print('{"digests": ["', hexadecimal(digest), '"]}', sep="")
        return
    if request.task == "signature":
        var lines = signature()
        print('{"lines": ["', String('", "').join(lines), '"]}', sep="")
        return
    if request.task == "models":
        models(request)
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


def models(request: Request) raises:
    """Prints a digest of what is read of each file of the pack, null for a refused one.

    Raises:
        If there is no pack.
    """
    var pack = read_file(request.pack, MAX_PACK_BYTES)
    var text = String('{"verdicts": [')
    var position = 0
    while position < len(pack):
        var length = 0
        for i in range(4):
            length |= Int(pack[position + i]) << (8 * i)
        position += 4
        var verdict = String("null")
        try:
            var file = List[UInt8](Span(pack)[position : position + length])
            verdict = '"' + hexadecimal(model_digest(decode(file))) + '"'
        except:
            pass
        text += ("" if position == 4 else ", ") + verdict
        position += length
    print(text, "]}", sep="")


def model_digest(model: Tensors) -> UInt64:
    """Joins the words of the tensors by name, then of the metadata."""
    var names = List[String]()
    for tensor in model.tensors:
        names.append(tensor.name)
    sort(names)
    var bytes = List[UInt8]()
    for name in names:
        for tensor in model.tensors:
            if tensor.name != name:
                continue
            bytes.extend(name.as_bytes())
            bytes.append(0)
            add_word(bytes, UInt64(len(tensor.shape)), 8)
            for size in tensor.shape:
                add_word(bytes, UInt64(size), 8)
            for value in tensor.values:
                add_word(bytes, UInt64(bitcast[DType.uint32](value)), 4)
    var keys = List[String]()
    for note in model.notes:
        keys.append(note.key)
    sort(keys)
    for key in keys:
        for note in model.notes:
            if note.key == key:
                bytes.extend(key.as_bytes())
                bytes.append(0)
                bytes.extend(note.text.as_bytes())
                bytes.append(0)
    while len(bytes) % 8 != 0:
        bytes.append(0)
    var digest = UInt64(0)
    for start in range(0, len(bytes), 8):
        var word = UInt64(0)
        for i in range(8):
            word |= UInt64(bytes[start + i]) << UInt64(8 * i)
        digest = join(digest, word)
    return digest


def add_word(mut bytes: List[UInt8], word: UInt64, count: Int):
    """Appends the lowest `count` bytes of `word`, the lowest first."""
    for i in range(count):
        bytes.append(UInt8((word >> UInt64(8 * i)) & 255))


def digests[width: Int, height: Int](request: Request):
    """Prints a digest for every `block` lanes."""
    var weights = record_weights(width * height)
    var workload = request.workload()
    var text = String('{"digests": [')
    var block = UInt64(0)
    var unused = String()
    for index in range(request.lanes):
        var lane = request.first_lane + index
        block = join(
            block, play_lane[width, height](workload, lane, weights, unused)
        )
        if (index + 1) % request.block == 0 or index + 1 == request.lanes:
            text += String('"' if index < request.block else ', "')
            text += hexadecimal(block) + '"'
            block = 0
    print(text, "]}", sep="")


def records[width: Int, height: Int](request: Request):
    """Prints every record of the first lane."""
    var text = String()
    _ = play_lane[width, height](
        request.workload(), request.first_lane, List[UInt64](), text
    )
    print('{"records": [', text, "]}", sep="")


def greedy[width: Int, height: Int](request: Request) raises:
    """Prints a digest of every game of the saved policy from uniform starts.

    Raises:
        If the policy cannot be read or has another width.
    """
    comptime T = PackedTiles[width, height]
    comptime cells = width * height
    comptime layout = Layout(cells * cells, HIDDEN)
    var weights = policy_weights(Tensors.load(request.weights), layout)
    var floats = untracked(weights)
    var text = String('{"digests": [')
    var successes = 0
    var asked = List[Int]()
    for index in range(request.boards):
        var rng = Rng.stream(
            UInt64(request.seed) ^ STREAM_TAG, 0, UInt64(index)
        )
        var board = Puzzle[T](request.settings)
        board.reset_uniform(rng)
        var played = List[Int]()
        var digest = join_game[T, HIDDEN](0, board, floats, played)
        successes += Int(board.solved())
        text += String('"' if index == 0 else ', "') + hexadecimal(digest) + '"'
        if index == request.board:
            asked = played^
    _ = weights^
    var actions = String()
    for action in asked:
        actions += String("" if actions == "" else ", ", action)
    print(
        text,
        '], "successes": ',
        successes,
        ', "actions": [',
        actions,
        "]}",
        sep="",
    )
