"""check_env lists everything that is wrong, whatever an environment answers or raises."""

import re

import pytest
from python_envs import Line
from twisterl.envs import PyEnv, check_env


def faults_of(env, **options):
    """The lines of the error, and its cause."""
    with pytest.raises(ValueError, match=r"^env: expected an environment, got one with") as caught:
        check_env(env, **options)
    return str(caught.value).splitlines()[1:], caught.value.__cause__


class Bad(Line):
    """Everything is wrong with it."""

    def num_actions(self):
        return 0

    def obs_shape(self):
        return [-3]

    def reset(self, difficulty):
        raise ZeroDivisionError("no start")

    def is_final(self):
        return "no"

    def success(self):
        return None

    def truncated(self):
        raise KeyError("truncated")

    def value(self):
        return float("nan")

    def observe(self):
        return [1.5]

    def copy(self):
        return self

    def twists(self):
        return 3

    def inverse_actions(self):
        return "left"


def test_all_faults_are_listed_and_the_first_exception_is_the_cause():
    faults, cause = faults_of(Bad)
    file = "test_check_env_faults.py"
    assert [re.sub(rf"{file}:\d+", file, fault) for fault in faults] == [
        "- num_actions(): expected an integer in 1..=16777216, got 0",
        "- obs_shape(): expected integers of at least 0, got -3",
        "- inverse_actions(): expected an integer, got str",
        "- copy(): expected an independent copy, got the environment itself",
        f"- reset(): seed 0: raised ZeroDivisionError: no start ({file} in reset)",
        "- observe(): seed 0, step 0: expected a list of integers, got float",
        "- value(): seed 0, step 0: expected a finite number, got NaN",
        "- is_final(): seed 0, step 0: expected a boolean, got str",
        "- success(): seed 0, step 0: expected a boolean, got NoneType",
        f"- truncated(): seed 0, step 0: raised KeyError: 'truncated' ({file} in truncated)",
    ]
    assert str(cause) == "no start"


def test_what_is_no_environment_is_listed_too():
    assert faults_of(3)[0][0] == "- num_actions(): expected a method of int, got none"
    assert len(faults_of(object())[0]) == len(PyEnv.METHODS)
    assert "- the constructor: env.pyenv_cls: Could not import" in faults_of("nowhere.Env")[0][0]

    class Unmade(Line):
        def __init__(self):
            raise RuntimeError("no display")

    faults, cause = faults_of(Unmade)
    assert len(faults) == 1 and "- the constructor: raised RuntimeError: no display" in faults[0]
    assert type(cause) is RuntimeError


RAISING = ["reset", "next", "masks", "is_final", "value", "observe", "reseed", "truncated", "copy"]
ANSWERS = [None, -1, 2.5, "x", [10**30], [True] * 3, ["x"], [[1]], {}, object(), float("inf")]
METHODS = [*PyEnv.METHODS, "twists", "truncated", "inverse_actions", "vectorize"]
# Whatever these answer is not read, or None is an answer.
UNREAD = {"reset", "next", "set_state"}
OPTIONAL = {"inverse_actions", "vectorize"}
# An infinity is a bad number, these are good ones, and no features may be active.
GOOD = [("value", -1), ("value", 2.5), ("observe", {}), ("obs_shape", [True] * 3)]


def with_method(name, method):
    return type("Hostile", (Line,), {name: method})


@pytest.mark.parametrize("name", sorted({*METHODS} - UNREAD))
def test_any_bad_answer_is_a_fault_of_its_method(name):
    for answer in ANSWERS:
        if (answer is None and name in OPTIONAL) or (name, answer) in GOOD:
            continue
        env = with_method(name, lambda *_, answer=answer: answer)
        faults, _ = faults_of(env, num_episodes=1, max_steps=50)
        assert any(fault.startswith(f"- {name}(): ") for fault in faults), (answer, faults)


@pytest.mark.parametrize("after", [0, 3])
@pytest.mark.parametrize("name", RAISING)
def test_what_a_method_raises_is_a_fault_of_it(name, after):
    calls = []

    def failing(self, *arguments):
        calls.append(name)
        if len(calls) > after:
            raise ZeroDivisionError("the line broke")
        return getattr(Line, name)(self, *arguments)

    faults, cause = faults_of(with_method(name, failing), difficulty=5)
    # The engine copies and seeds in calls of its own.
    where = {"reseed": "reset", "copy": "copy|collecting|solving"}.get(name, name)
    for fault in faults:
        assert re.match(rf"- ({where})(\(\))?: .*raised ZeroDivisionError", fault), faults
    assert str(cause) == "the line broke"


def test_what_is_no_error_comes_out():
    def stopped(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check_env(with_method("observe", stopped))


class Extras(Line):
    """What only the engine asks for is wrong."""

    def reset_uniform(self):
        raise ZeroDivisionError("no start")

    def check_solvable(self):
        raise ZeroDivisionError("no way")

    def inverse_actions(self):
        return [1, 0, 0]


def test_what_only_the_engine_asks_for_is_listed():
    faults, _ = faults_of(Extras)
    for expected in (
        r"- inverse_actions\(\): expected 2 .*got \[1, 0, 0\]",
        r"- uniform starts: raised ZeroDivisionError: no start",
        r"- solving: raised ZeroDivisionError: no way",
    ):
        assert any(re.match(expected, fault) for fault in faults), (expected, faults)


class Large(Line):
    def obs_shape(self):
        return [10**9]


def test_a_shape_beyond_the_memory_is_the_fault_of_the_environment(small):
    pytest.importorskip("torch")
    from twisterl.utils import prepare_algorithm

    expected = r"expected fewer features, got \[1000000000\]: 1,000,000,000 features"
    assert re.search(rf"- obs_shape\(\): {expected}", faults_of(Large)[0][0])
    small |= {"env_cls": "twisterl.envs.PyEnv", "env": {"pyenv_cls": f"{__name__}.Large"}}
    small["policy"]["embedding_size"] = 512
    with pytest.raises(ValueError, match=rf"env: obs_shape\(\) of Large: {expected}"):
        prepare_algorithm(small)
