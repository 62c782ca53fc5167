"""Arguments by position and by name, and the defaults that engine, signatures and configs share."""

import pytest
from small_policy import small_policy
from twisterl import envs
from twisterl.config import az, es, evaluations, random_walk
from twisterl.config import ppo as ppo_config
from twisterl.twisterl import collector

DEFAULTS = collector.defaults()
MODELS = {
    name: vars(module)[name]
    for module in (az, es, evaluations, ppo_config, random_walk)
    for name in DEFAULTS.keys() & vars(module).keys()
}
# A section of the config has them, and the engine knows them by another way.
APART = {
    "PPOCollecting": {"workers"},
    "AZCollecting": {"seed", "workers"},
    "RandomWalkCollecting": {"workers"},
    "ESCollecting": {"workers"},
    "Evaluation": {"num_episodes", "seed", "start", "freq", "deterministic"},
}
# The engine's alone: a schedule of the learning rate, and a section apart.
ENGINES = {
    "ESCollecting": {"sigma"},
    "ESOptimizer": {"decline", "decline_generations", "final_ratio"},
}
ENV = envs.Puzzle(2, 2, 1, 2, 16)
POLICY = small_policy(ENV)


@pytest.mark.parametrize("model", DEFAULTS)
def test_a_model_has_the_fields_and_defaults_of_the_engine(model):
    ours = MODELS[model]().model_dump(by_alias=True, mode="json")
    theirs = DEFAULTS[model]
    apart, engines = APART.get(model, set()), ENGINES.get(model, set())
    assert ours.keys() - theirs.keys() == apart - theirs.keys()
    assert theirs.keys() - ours.keys() == engines
    shared = ours.keys() & theirs.keys() - apart
    assert {name: ours[name] for name in shared} == {name: theirs[name] for name in shared}


def test_sigma_is_that_of_the_section_it_stands_in():
    assert DEFAULTS["ESCollecting"]["sigma"] == es.ESTraining().sigma


SIGNATURES = {
    "PPOCollecting": [collector.PPOCollector],
    "AZCollecting": [collector.AZCollector],
    "RandomWalkCollecting": [collector.WalkCollector],
    "Evaluation": [collector.evaluate, collector.evaluate_episodes, collector.solve],
}


@pytest.mark.parametrize("model", SIGNATURES)
def test_a_signature_has_the_defaults_of_the_engine(model):
    for call in SIGNATURES[model]:
        told = [part.split("=") for part in call.__text_signature__.strip("()").split(", ")]
        known = {name: value for name, *rest in told for value in rest if name in DEFAULTS[model]}
        expected = {name: DEFAULTS[model][name] for name in known}
        assert {name: eval(value) for name, value in known.items()} == expected, call
        assert known


def ppo(*arguments, **keywords):
    return collector.PPOCollector(*arguments, **keywords).__reduce__()[1][0]


def test_arguments_by_position_and_by_name_are_the_same():
    rest = {"truncation": "bootstrap", "difficulty_distribution": "uniform", "cache": False}
    by_name = {"num_episodes": 3, "gamma": 0.5, "lambda": 0.25, "num_cores": 2, "seed": 9, **rest}
    by_name["max_episode_steps"] = 7
    assert ppo(*by_name.values()) == ppo(**by_name) == by_name
    left_out = ppo(3, 0.5, 0.25, 2)
    assert left_out == {**DEFAULTS["PPOCollecting"], **dict(list(by_name.items())[:4]), "seed": 0}


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda: ppo(3, 0.5, 0.25), 'argument "num_cores"'),
        (lambda: ppo(3, 0.5, 0.25, 1, num_cores=1), 'multiple values for argument "num_cores"'),
        (lambda: ppo(3, 0.5, 0.25, 1, colour=1), 'unexpected keyword argument "colour"'),
        (lambda: ppo(*range(1, 11)), "expected arguments .*got 10"),
        (lambda: collector.AZCollector(1, 1, 1.0, 1, 1, 0, 1.0), "expected arguments .*got 7"),
        (lambda: collector.solve(ENV, POLICY, colour=1), 'argument "colour"; .*beam_width'),
        (lambda: collector.solve(ENV), 'argument "policy"'),
        (lambda: collector.solve(ENV, print), "^policy: expected .*, got builtin_function"),
        (lambda: ppo(3, "half", 0.25, 1), "^gamma: expected a number, got str"),
        (lambda: ppo(3.0, 0.5, 0.25, 1), "^num_episodes: expected an integer.*, got float"),
        (lambda: ppo(3, 0.5, 0.25, 1, cache=1), "^cache: expected True or False, got int"),
        (lambda: ppo(3, 0.5, 0.25, 1, cache=None), "^cache: expected True or False, got None"),
        (lambda: ppo(3, 0.5, 0.25, 1, truncation=3), "^truncation: expected a string, got int"),
    ],
)
def test_a_call_that_does_not_fit_is_a_type_error(call, problem):
    with pytest.raises(TypeError, match=problem):
        call()


@pytest.mark.parametrize("count", [10_000_001, 2**63 - 1])
def test_more_episodes_than_memory_holds_are_refused(count):
    """Of a billion the memory that evaluations keep ended the process."""
    for call in (
        lambda: collector.evaluate(ENV, POLICY, count, True, 1),
        lambda: collector.evaluate_episodes(ENV, POLICY, count),
        lambda: collector.PPOCollector(count, 0.5, 0.5, 1).collect(ENV, POLICY),
        lambda: collector.AZCollector(count, 1, 1.0, 1, 1).collect(ENV, POLICY),
        lambda: collector.OptimalSolver(ENV).lengths(count),
    ):
        with pytest.raises(ValueError, match=r"^num_episodes: expected at most 10000000, got "):
            call()
    with pytest.raises(ValueError, match=r"^num_walks: expected at most 10000000, got "):
        collector.WalkCollector(count, 1).collect(ENV)


@pytest.mark.parametrize("start", ["resett", "Uniform", ""])
def test_choices_name_what_there_is(start):
    for call in (
        lambda: collector.PPOCollector(1, 0.5, 0.5, 1).collect(ENV, POLICY, start=start),
        lambda: collector.OptimalSolver(ENV).lengths(start=start),
        lambda: collector.evaluate_episodes(ENV, POLICY, start=start),
    ):
        with pytest.raises(
            ValueError, match=f'^start: expected "reset" or "uniform", got "{start}"'
        ):
            call()
    with pytest.raises(ValueError, match=r'^root_selection: expected "puct" or "gumbel", got "p"'):
        collector.AZCollector(1, 1, 1.0, 1, 1, root_selection="p")


def test_numbers_of_numpy_are_taken():
    numpy = pytest.importorskip("numpy")
    given = ppo(numpy.int32(3), numpy.float32(0.5), 1, numpy.uint8(1), cache=numpy.bool_(False))
    assert (given["num_episodes"], given["gamma"], given["lambda"]) == (3, 0.5, 1.0)
    assert given["cache"] is False
