"""Streams, bounded draws and floats, as `specs/golden/rng.json` has them."""

from std.testing import TestSuite, assert_equal

from golden import at, number, read_golden, word
from twisterl.rng import Rng


def test_seeds() raises:
    var golden = read_golden("rng")
    var cases = at(golden, 0, "seeds")
    for i in range(golden.length(cases)):
        var entry = golden.item(cases, i)
        var rng = Rng(word(golden, at(golden, entry, "seed")))
        var words = at(golden, entry, "words")
        for j in range(golden.length(words)):
            assert_equal(rng.next(), word(golden, golden.item(words, j)))


def test_streams() raises:
    var golden = read_golden("rng")
    var cases = at(golden, 0, "streams")
    for i in range(golden.length(cases)):
        var entry = golden.item(cases, i)
        var seed = word(golden, at(golden, entry, "seed"))
        var iteration = number(golden, entry, "iteration")
        var rng = Rng.stream(seed, UInt64(iteration), UInt64(number(golden, entry, "lane")))
        var words = at(golden, entry, "words")
        for j in range(golden.length(words)):
            assert_equal(rng.next(), word(golden, golden.item(words, j)))


def test_bounded_draws() raises:
    var golden = read_golden("rng")
    var entry = at(golden, 0, "below")
    var rng = Rng(UInt64(number(golden, entry, "seed")))
    var bounds = at(golden, entry, "bounds")
    var draws = at(golden, entry, "draws")
    for i in range(golden.length(bounds)):
        var bound = UInt64(golden.integer(golden.item(bounds, i)))
        assert_equal(rng.below(bound), UInt64(golden.integer(golden.item(draws, i))))


def test_floats() raises:
    var golden = read_golden("rng")
    var entry = at(golden, 0, "unit")
    var rng = Rng(UInt64(number(golden, entry, "seed")))
    var draws = at(golden, entry, "times_2_to_24")
    for i in range(golden.length(draws)):
        var drawn = rng.unit() * Float32(1 << 24)
        assert_equal(drawn, Float32(golden.integer(golden.item(draws, i))))


def test_shuffles() raises:
    var golden = read_golden("rng")
    var cases = at(golden, 0, "shuffles")
    for i in range(golden.length(cases)):
        var entry = golden.item(cases, i)
        var rng = Rng(UInt64(number(golden, entry, "seed")))
        var order = List[Int]()
        for place in range(number(golden, entry, "length")):
            order.append(place)
        for place in range(len(order) - 1, 0, -1):
            var other = Int(rng.below(UInt64(place + 1)))
            var moved = order[place]
            order[place] = order[other]
            order[other] = moved
        var expected = at(golden, entry, "order")
        for place in range(len(order)):
            assert_equal(order[place], golden.integer(golden.item(expected, place)))


def main() raises:
    TestSuite.discover_tests[__functions_in_module()]().run()
