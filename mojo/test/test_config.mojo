"""The JSON reader, and configs that must be accepted or refused at a path."""

from std.os import listdir
from std.testing import TestSuite, assert_equal, assert_true

from golden import at
from twisterl.config import Config
from twisterl.episodes import Player
from twisterl.files import read_text
from twisterl.json import Json, Kind, quoted
from twisterl.optimizer import Decline, Rule
from twisterl.section import edit_distance


def test_values() raises:
    var document = Json.parse(' {"a": [1, -2.5e3, true, null, "x\\n\\u00e9\\ud83d\\ude00"]} ')
    var items = at(document, 0, "a")
    assert_equal(document.length(items), 5)
    assert_equal(document.integer(document.item(items, 0)), 1)
    assert_equal(document.number(document.item(items, 1)), -2500)
    assert_true(document.boolean(document.item(items, 2)))
    assert_true(document.kind(document.item(items, 3)) == Kind.NULL)
    assert_equal(document.text(document.item(items, 4)), "x\né😀")


def refusal(text: String) -> String:
    """Why `text` is not JSON."""
    try:
        _ = Json.parse(text)
        return "taken"
    except error:
        return String(error)


def test_what_is_not_json() raises:
    assert_equal(refusal('{"a": 1,\n "a": 2}'), 'is not JSON: the key "a" is given more than once at line 2 column 5')
    assert_equal(refusal("[1, 2"), "is not JSON: expected ',' or ']' at line 1 column 6")
    assert_equal(refusal("[01]"), "is not JSON: a number that begins with 0 at line 1 column 4")
    assert_equal(refusal('["a]'), "is not JSON: a string without its end at line 1 column 5")
    for text in ["", "[1,]", "{1: 2}", "nul", "NaN", "-", "1.", "1e", "[1] 2", '"\\x"', '"\\ud800"', '"\x01"']:
        assert_true(refusal(text).startswith("is not JSON: "), text)
    var deep = String("[") * 100 + String("]") * 100
    assert_true("nested deeper than 64" in refusal(deep))


def test_quoting_is_undone_by_reading() raises:
    var text = String('a"b\\c\n\x1f é')
    assert_equal(Json.parse(quoted(text)).text(0), text)


def test_edit_distance() raises:
    assert_equal(edit_distance("sigma", "sigma"), 0)
    assert_equal(edit_distance("sigmaa", "sigma"), 1)
    assert_equal(edit_distance("kitten", "sitting"), 3)
    assert_equal(edit_distance("", "abc"), 3)


def problem(config: String) -> String:
    """What is wrong with a config, or nothing."""
    try:
        _ = Config(config)
        return ""
    except error:
        return String(error)


def test_examples() raises:
    var config = Config(read_text("examples/es_puzzle8_v1.json", 1 << 20))
    assert_equal(config.width, 3)
    assert_true(config.puzzle.forbid_undo)
    assert_equal(config.es.num_pairs, 64)
    assert_true(config.es.player == Player.POLICY)
    assert_true(config.es.optimizer.rule == Rule.ADAM)
    assert_true(config.es.optimizer.decline == Decline.LINEAR)
    assert_equal(config.embedding_size, 32)
    for name in listdir("examples"):
        if name.startswith("es_puzzle"):
            assert_equal(problem(read_text("examples/" + name, 1 << 20)), "", name)
        elif name.startswith("ppo_puzzle"):
            var found = problem(read_text("examples/" + name, 1 << 20))
            # Its policy comes first, where it is none that this program has.
            assert_true(
                found.startswith("algorithm_cls") or found.startswith("policy_cls"), found
            )


def test_cases() raises:
    """Configs for ES that all loaders must judge alike; a fault is named by its path."""
    var count = 0
    for name in listdir("specs/cases"):
        if not name.startswith("accept_es") and not name.startswith("reject_es"):
            continue
        var text = read_text("specs/cases/" + name, 1 << 20)
        var case_file = Json.parse(text)
        # The config as it stands in the file: the last member.
        var begin = text.find('"config": ') + 10
        var found = problem(String(text[byte=begin : text.rfind("}")]))
        var faults = at(case_file, 0, "faults")
        if case_file.length(faults) == 0:
            assert_equal(found, "", name)
        else:
            var named = False
            for i in range(case_file.length(faults)):
                named |= found.startswith(case_file.text(case_file.item(faults, i)) + ":")
            assert_true(named, String(name, ": ", found))
        count += 1
    assert_true(count >= 4)


comptime CLASSES = '"env_cls": "Puzzle", "policy_cls": "BasicPolicy", "algorithm_cls": "ES"'
comptime POLICY = '"policy": {"embedding_size": 32, "common_layers": []}'


def with_algorithm(section: String) -> String:
    """What is wrong with a config whose `algorithm` is `section`."""
    return problem("{" + CLASSES + "," + POLICY + ', "algorithm": ' + section + "}")


def test_messages() raises:
    assert_equal(with_algorithm("{}"), "")
    assert_equal(
        with_algorithm('{"training": {"sigmaa": 1}}'),
        "algorithm.training.sigmaa: unknown key; did you mean sigma?",
    )
    assert_equal(
        with_algorithm('{"training": {"sigma": 0}}'),
        "algorithm.training.sigma: expected a number above 0.0, got 0",
    )
    assert_equal(
        with_algorithm('{"collecting": {"num_pairs": 1.5}}'),
        "algorithm.collecting.num_pairs: expected an integer in 1..=100000, got 1.5",
    )
    assert_equal(
        with_algorithm('{"collecting": {"player": "beam"}}'),
        'algorithm.collecting.player: expected "policy" or "value", got "beam"',
    )
    assert_equal(
        with_algorithm('{"optimizer": {"betas": [0.9, 1]}}'),
        "algorithm.optimizer.betas[1]: expected a number in [0.0, 1.0), got 1",
    )
    assert_equal(
        with_algorithm('{"learning": {"diff_metric": "uniform"}}'),
        "algorithm.learning.diff_metric: expected a key of evals, or null, got uniform",
    )
    assert_equal(
        with_algorithm('{"evals": {"e": {"C": 1e31}}}'),
        "algorithm.evals.e.C: expected a number in [0.0, 1e+30], got 1e31",
    )
    assert_equal(
        with_algorithm('{"logging": {"keep_last": 2}}'),
        "algorithm.logging.keep_last: expected 1, got 2",
    )
    assert_equal(
        with_algorithm('{"collecting": []}'),
        "algorithm.collecting: expected an object, got a list",
    )
    for number in ["1e999", "-1e999", "1e-999", "-0"]:
        assert_equal(
            with_algorithm('{"training": {"sigma": ' + String(number) + "}}"),
            "algorithm.training.sigma: expected a number above 0.0, got " + String(number),
        )
    assert_true(with_algorithm('{"a\\nb": 1}').startswith("algorithm.a\\u000ab: unknown key"))
    assert_equal(
        problem(String("[") * 10_000),
        "is not JSON: nested deeper than 64 levels at line 1 column 65",
    )
    assert_equal(problem(""), "is not JSON: expected a value at line 1 column 1")
    assert_equal(problem("[]"), "holds no JSON object")
    assert_true(problem("{}").startswith("env_cls: is missing"))
    assert_true(problem("{" + CLASSES + "}").startswith("policy.common_layers: expected []"))


def main() raises:
    TestSuite.discover_tests[__functions_in_module()]().run()
