"""Noise, ranks, updates and whole generations equal `specs/golden/es.json` bit for bit."""

from std.testing import TestSuite, assert_almost_equal, assert_equal, assert_true

from golden import at, number, read_golden
from twisterl.episodes import Player, Score
from twisterl.es import (
    EsSettings,
    EvolutionStrategy,
    initial_weights,
    rank_differences,
    summary,
)
from twisterl.json import Json
from twisterl.network import AlignedWeights, Layout, embed, logits, value
from twisterl.noise import BLOCK, Noise
from twisterl.optimizer import Decline, OptimizerSettings, Rule, Update
from twisterl.puzzle import Puzzle, Settings
from twisterl.tiles import ArrayTiles, PackedTiles, Tiles


def floats(golden: Json, node: Int) raises -> List[Float32]:
    """A list of numbers."""
    var result = List[Float32]()
    for i in range(golden.length(node)):
        result.append(Float32(golden.number(golden.item(node, i))))
    return result^


def test_noise() raises:
    var golden = read_golden("es")
    var cases = at(golden, 0, "noise")
    for i in range(golden.length(cases)):
        var entry = golden.item(cases, i)
        var noise = Noise.of(
            UInt64(number(golden, entry, "seed")),
            number(golden, entry, "generation"),
            number(golden, entry, "pair"),
        )
        var doubled = at(golden, entry, "doubled")
        for j in range(golden.length(doubled)):
            var expected = golden.integer(golden.item(doubled, j))
            assert_equal(Int(noise.block(j // BLOCK)[j % BLOCK]), expected)


def test_noise_is_standard() raises:
    var sum = 0
    var squares = 0
    var noise = Noise.of(1, 2, 3)
    for block in range(1000):
        var doubled = noise.block(block).cast[DType.int32]()
        sum += Int(doubled.reduce_add())
        squares += Int((doubled * doubled).reduce_add())
    var count = Float64(1000 * BLOCK)
    # Six standard deviations of the two means.
    assert_true(abs(Float64(sum) / 2 / count) < 0.034)
    assert_true(abs(Float64(squares) / 4 / count - 1) < 0.047)


def test_ranks() raises:
    var golden = read_golden("es")
    var cases = at(golden, 0, "ranks")
    for i in range(golden.length(cases)):
        var entry = golden.item(cases, i)
        var scores = List[Score]()
        for fitness in floats(golden, at(golden, entry, "fitness")):
            scores.append(Score(fitness, 0, 0))
        var found = rank_differences(scores)
        var expected = at(golden, entry, "differences")
        assert_equal(len(found), golden.length(expected))
        for pair in range(len(found)):
            assert_equal(Int(found[pair]), golden.integer(golden.item(expected, pair)))


def assert_network[T: Tiles, hidden: Int](golden: Json, entry: Int) raises:
    var first = initial_weights(
        Layout(T.CELLS * T.CELLS, hidden), UInt64(number(golden, entry, "seed"))
    )
    var weights = AlignedWeights(len(first))
    for i in range(len(first)):
        weights.start()[unsafe_offset=i] = first[i]
    var cases = at(golden, entry, "cases")
    for i in range(golden.length(cases)):
        var played = golden.item(cases, i)
        var state = at(golden, played, "state")
        var tiles = List[UInt8]()
        for cell in range(T.CELLS):
            tiles.append(UInt8(golden.integer(golden.item(state, cell))))
        var board = Puzzle[T](Settings())
        board.place(Span(tiles))
        var layer = embed[T, hidden](board, weights.start())
        var found = logits[T.CELLS](layer, weights.start())
        var expected = floats(golden, at(golden, played, "logits"))
        for action in range(4):
            assert_equal(found[action], expected[action])
        var worth = Float32(golden.number(at(golden, played, "value")))
        assert_equal(value[T.CELLS](layer, weights.start()), worth)
    _ = weights^


def test_networks() raises:
    var golden = read_golden("es")
    var cases = at(golden, 0, "networks")
    assert_network[PackedTiles[2, 2], 32](golden, golden.item(cases, 0))
    assert_network[PackedTiles[3, 3], 32](golden, golden.item(cases, 1))
    assert_network[ArrayTiles[3, 3], 32](golden, golden.item(cases, 1))
    assert_network[PackedTiles[4, 4], 64](golden, golden.item(cases, 2))
    assert_equal(golden.length(cases), 3)


def optimizer_of(golden: Json, entry: Int) raises -> OptimizerSettings:
    """The optimizer that `entry` describes."""
    var settings = OptimizerSettings()
    var rule = golden.text(at(golden, entry, "rule"))
    settings.rule = Rule.ADAM if rule == "adam" else Rule.MOMENTUM
    settings.rate = golden.number(at(golden, entry, "rate"))
    settings.epsilon = golden.number(at(golden, entry, "epsilon"))
    settings.weight_decay = golden.number(at(golden, entry, "weight_decay"))
    var betas = at(golden, entry, "betas")
    settings.beta1 = golden.number(golden.item(betas, 0))
    settings.beta2 = golden.number(golden.item(betas, 1))
    return settings


def test_updates() raises:
    var golden = read_golden("es")
    var cases = at(golden, 0, "updates")
    for i in range(golden.length(cases)):
        var entry = golden.item(cases, i)
        var update = Update(optimizer_of(golden, entry), number(golden, entry, "generation"))
        var before = at(golden, entry, "before")
        var after = at(golden, entry, "after")
        var gradient = floats(golden, at(golden, entry, "gradient"))
        var weight = floats(golden, at(golden, before, "weights"))
        var first = floats(golden, at(golden, before, "first"))
        var second = floats(golden, at(golden, before, "second"))
        for j in range(len(gradient)):
            update.apply[1](gradient[j], weight[j], first[j], second[j])
        assert_equal(weight, floats(golden, at(golden, after, "weights")))
        assert_equal(first, floats(golden, at(golden, after, "first")))
        assert_equal(second, floats(golden, at(golden, after, "second")))


def replay[T: Tiles, hidden: Int](golden: Json, entry: Int, threads: Int) raises:
    """Plays the generations of `entry` and compares every total and weight."""
    var described = at(golden, entry, "settings")
    var settings = EsSettings()
    settings.num_pairs = number(golden, described, "num_pairs")
    settings.num_episodes = number(golden, described, "num_episodes")
    settings.sigma = golden.number(at(golden, described, "sigma"))
    settings.uniform_difficulty = golden.boolean(at(golden, described, "uniform_difficulty"))
    var player = golden.text(at(golden, described, "player"))
    settings.player = Player.POLICY if player == "policy" else Player.VALUE
    settings.optimizer = optimizer_of(golden, described)
    var es = EvolutionStrategy[T, hidden](settings, UInt64(number(golden, entry, "seed")))
    var board = Settings(
        number(golden, entry, "difficulty"), number(golden, entry, "depth_slope"), 16, True
    )
    var generations = at(golden, entry, "generations")
    for t in range(golden.length(generations)):
        var found = es.step(board, threads)
        var members = golden.item(generations, t)
        var scores = List[Score]()
        for i in range(golden.length(members)):
            var member = golden.item(members, i)
            scores.append(
                Score(
                    Float32(golden.number(at(golden, member, "fitness"))),
                    number(golden, member, "solved"),
                    number(golden, member, "steps"),
                )
            )
        var expected = summary(t, scores, settings.num_episodes)
        assert_equal(found.number, t)
        assert_equal(found.steps, expected.steps)
        assert_equal(found.success, expected.success)
        assert_equal(found.best_fitness, expected.best_fitness)
        assert_equal(found.mean_fitness, expected.mean_fitness)
    var weights = floats(golden, at(golden, entry, "weights"))
    for i in range(len(weights)):
        assert_equal(es.weights[7 * i], weights[i])


def test_generations() raises:
    var golden = read_golden("es")
    var runs = at(golden, 0, "runs")
    assert_equal(golden.length(runs), 3)
    for threads in range(1, 4):
        replay[PackedTiles[3, 3], 32](golden, golden.item(runs, 0), threads)
        replay[ArrayTiles[3, 3], 32](golden, golden.item(runs, 0), threads)
        replay[PackedTiles[3, 3], 32](golden, golden.item(runs, 1), threads)
        replay[PackedTiles[4, 4], 64](golden, golden.item(runs, 2), threads)


def test_learning_rates() raises:
    var settings = OptimizerSettings()
    settings.rate = 0.5
    settings.decline_generations = 10
    settings.final_ratio = 0.2
    assert_equal(settings.rate_at(7), 0.5)
    settings.decline = Decline.LINEAR
    assert_equal(settings.rate_at(0), 0.5)
    assert_almost_equal(settings.rate_at(5), 0.3, atol=1e-12)
    assert_almost_equal(settings.rate_at(30), 0.1, atol=1e-12)
    settings.decline = Decline.COSINE
    assert_equal(settings.rate_at(0), 0.5)
    assert_almost_equal(settings.rate_at(5), 0.3, atol=1e-12)
    assert_almost_equal(settings.rate_at(10), 0.1, atol=1e-12)


def test_it_learns() raises:
    """Boards of up to 12 random moves, most of them solved after 150 generations."""
    var settings = EsSettings()
    settings.num_pairs = 32
    settings.num_episodes = 32
    settings.uniform_difficulty = True
    var es = EvolutionStrategy[PackedTiles[3, 3], 32](settings, 2)
    var board = Settings(difficulty=12, forbid_undo=True)
    # One thread: on a busy machine two wait for each other, every generation twice.
    var first = es.step(board, 1).success
    var last = Float64(0)
    for _ in range(150):
        last = es.step(board, 1).success
    assert_true(first < 0.6 and last > 0.85, String(first, " ", last))


def main() raises:
    TestSuite.discover_tests[__functions_in_module()]().run()
