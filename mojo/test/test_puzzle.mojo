"""Both boards replay `specs/golden/puzzle.json` and agree with each other."""

from std.testing import TestSuite, assert_equal, assert_false, assert_true

from golden import at, number, read_golden
from twisterl.json import Json
from twisterl.puzzle import (
    Puzzle,
    Settings,
    is_solvable,
)
from twisterl.rng import Rng
from twisterl.tiles import ArrayTiles, PackedTiles, Tiles


def settings_of(golden: Json, config: Int) raises -> Settings:
    var forbids = golden.member(config, "forbid_undo")
    return Settings(
        number(golden, config, "difficulty"),
        number(golden, config, "depth_slope"),
        number(golden, config, "max_depth"),
        forbids >= 0 and golden.boolean(forbids),
    )


def assert_state[T: Tiles](board: Puzzle[T], golden: Json, state: Int) raises:
    for cell in range(T.CELLS):
        assert_equal(board.tile(cell), golden.integer(golden.item(state, cell)))


def replay[T: Tiles](golden: Json, entry: Int) raises:
    var board = Puzzle[T](settings_of(golden, at(golden, entry, "config")))
    var seed = UInt64(number(golden, entry, "seed"))
    var begin = Rng.stream(seed, 0, 1)
    if golden.text(at(golden, entry, "start")) == "uniform":
        board.reset_uniform(begin)
    else:
        board.reset(begin)
    var actions = at(golden, entry, "actions")
    var states = at(golden, entry, "states")
    var rewards = at(golden, entry, "rewards")
    for t in range(golden.length(actions) + 1):
        if golden.length(states) > 0:
            assert_state(board, golden, golden.item(states, t))
        var masks = golden.text(golden.item(at(golden, entry, "masks"), t))
        for action in range(4):
            var legal = (board.masks() >> UInt8(action)) & 1 == 1
            assert_equal(legal, masks[byte=action] == "1")
        assert_equal(board.reward(), Float32(golden.number(golden.item(rewards, t))))
        assert_equal(board.is_final(), golden.boolean(golden.item(at(golden, entry, "final"), t)))
        assert_equal(board.solved(), golden.boolean(golden.item(at(golden, entry, "success"), t)))
        if t < golden.length(actions):
            board.step(golden.integer(golden.item(actions, t)))
    assert_state(board, golden, at(golden, entry, "last_state"))


def test_golden_traces() raises:
    comptime sizes: List[Tuple[Int, Int]] = [
        (2, 2), (3, 3), (2, 4), (4, 2), (4, 4), (5, 3), (16, 16), (4, 3), (5, 5)
    ]
    var golden = read_golden("puzzle")
    var traces = at(golden, 0, "traces")
    for i in range(golden.length(traces)):
        var entry = golden.item(traces, i)
        var config = at(golden, entry, "config")
        var replayed = False
        comptime for size in range(len(sizes)):
            comptime width = sizes[size][0]
            comptime height = sizes[size][1]
            if number(golden, config, "width") == width and (
                number(golden, config, "height") == height
            ):
                replay[ArrayTiles[width, height]](golden, entry)
                comptime if width * height <= 16:
                    replay[PackedTiles[width, height]](golden, entry)
                replayed = True
        assert_true(replayed, "a size of the golden file is not compiled")


def draws_the_blank_alone[T: Tiles]() raises:
    for seed in range(20):
        var board = Puzzle[T](Settings())
        var rng = Rng(UInt64(seed))
        board.reset_uniform(rng)
        var drawn = Rng(UInt64(seed))
        var blank = Int(drawn.below(UInt64(T.CELLS)))
        for cell in range(T.CELLS):
            var tile = 0 if cell == blank else cell + Int(cell < blank)
            assert_equal(board.tile(cell), tile)
        assert_equal(board.blank, blank)


def test_a_row_keeps_its_order() raises:
    draws_the_blank_alone[ArrayTiles[5, 1]]()
    draws_the_blank_alone[ArrayTiles[1, 4]]()
    draws_the_blank_alone[ArrayTiles[1, 1]]()
    # A permutation of the solved board's parity.
    var tiles: List[UInt8] = [2, 0, 1]
    assert_false(is_solvable(Span(tiles), 3))
    assert_false(is_solvable(Span(tiles), 1))
    var moved: List[UInt8] = [1, 0, 2]
    assert_true(is_solvable(Span(moved), 3))


def test_no_moves_scramble_nothing() raises:
    var board = Puzzle[ArrayTiles[3, 3]](Settings(difficulty=0))
    var rng = Rng(1)
    board.reset(rng)
    assert_true(board.solved() and board.is_final())
    assert_equal(board.depth, 0)
    assert_equal(board.reward(), 1)


def test_place_forgets_what_was_undone() raises:
    var board = Puzzle[PackedTiles[3, 3]](Settings(forbid_undo=True))
    board.step(2)
    assert_equal(board.masks(), 0b1100)
    var tiles: List[UInt8] = [1, 0, 2, 3, 4, 5, 6, 7, 8]
    board.place(Span(tiles))
    assert_equal(board.masks(), 0b1101)
    assert_equal(board.depth, 256)


def test_an_impossible_action_undoes_nothing() raises:
    var board = Puzzle[ArrayTiles[3, 3]](Settings(forbid_undo=True))
    board.step(2)
    board.step(1)
    assert_equal(board.masks(), 0b1100)
    assert_equal(board.depth, 254)


def test_uniform_boards_are_solvable_and_moves_keep_them_so() raises:
    var rng = Rng(3)
    var board = Puzzle[ArrayTiles[4, 3]](Settings())
    for _ in range(200):
        board.reset_uniform(rng)
        board.step(Int(rng.below(4)))
        assert_true(is_solvable(Span(board.tiles.tiles), 4))
        var tiles = board.tiles.tiles.copy()
        var first = Int(tiles[0] == 0)
        var second = first + 1 + Int(tiles[first + 1] == 0)
        var tile = tiles[first]
        tiles[first] = tiles[second]
        tiles[second] = tile
        assert_false(is_solvable(Span(tiles), 4))


def test_layers() raises:
    var golden = read_golden("puzzle")
    var cases = at(golden, 0, "layers")
    for i in range(golden.length(cases)):
        var config = at(golden, golden.item(cases, i), "config")
        if number(golden, config, "width") == 3 and number(golden, config, "height") == 2:
            var counts = at(golden, golden.item(cases, i), "states")
            var found = count_layers()
            assert_equal(len(found), golden.length(counts))
            for depth in range(len(found)):
                assert_equal(found[depth], golden.integer(golden.item(counts, depth)))
            return
    assert_true(False, "the golden file has no layers of 3x2")


def count_layers() raises -> List[Int]:
    """How many boards of 3x2 are 0, 1, ... moves from solved."""
    comptime B = Puzzle[PackedTiles[3, 2]]
    var seen = Dict[UInt64, Bool]()
    var counts = List[Int]()
    var layer = List[B]()
    layer.append(B(Settings()))
    seen[layer[0].tiles.tiles] = True
    while len(layer) > 0:
        counts.append(len(layer))
        var after = List[B]()
        for board in layer:
            for action in range(4):
                var child = board.copy()
                child.step(action)
                if child.tiles.tiles not in seen:
                    seen[child.tiles.tiles] = True
                    after.append(child^)
        layer = after^
    return counts^


def main() raises:
    TestSuite.discover_tests[__functions_in_module()]().run()
