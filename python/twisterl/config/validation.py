"""Checking a config before any work starts: every fault at once, each with its JSON path."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from twisterl.config import models
from twisterl.faults import ConfigError, Fault, joined, nearest, shown, unknown

_logger = logging.getLogger("twisterl")


def resolve_run(raw: Any, source: str = "config") -> dict[str, Any]:
    """The run config `raw` with every default filled in; `raw` is left as it is.

    `algorithm` stays as given where `algorithm_cls` is not of this package, because only that
    class knows its keys; `env` and `policy` likewise.

    Raises `ConfigError` with every fault.
    """
    if not isinstance(raw, Mapping):
        problem = f"got {shown(raw)}; expected a JSON object"
        raise ConfigError([Fault("", problem, TypeError(problem))], source)
    raw = plain(raw)
    faults: list[Fault] = []
    known = list(models.Run.model_fields)
    for key in [key for key in raw if key not in known and key != "$schema"]:
        match = nearest(key, known, cutoff=0.75)
        if match is not None:
            faults.append(Fault(key, f"unknown key; did you mean {match}?"))
        else:
            _logger.warning("%s: %s is not read; the keys are %s", source, key, ", ".join(known))
    run = _validated(models.Run, raw, "", faults)
    resolved = {key: raw[key] for key in known if key in raw}
    for kind in models.REGISTRY:
        section = kind.removesuffix("_cls")
        path, arguments = raw.get(kind), raw.get(section, {})
        resolved[section] = arguments
        if not isinstance(path, str) or not isinstance(arguments, dict):
            continue
        name = models.registered(kind, path)
        if name is None:
            if "." not in path:
                faults.append(Fault(kind, unknown(path, list(models.REGISTRY[kind]), "class")))
            continue
        if kind == "algorithm_cls":
            resolved[section] = _resolve_algorithm(name, arguments, section, faults, False)
            continue
        model = models.REGISTRY[kind][name][1]
        assert model is not None
        checked = _validated(model, arguments, section, faults)
        if checked is not None:
            resolved[section] = checked.model_dump(by_alias=True)
    if faults or run is None:
        raise ConfigError(faults, source)
    return resolved


def resolve_algorithm(
    name: str, raw: Any, *, keep_unknown: bool = False, source: str = "config"
) -> dict[str, Any]:
    """The `algorithm` section `raw` of algorithm `name` ("PPO", "AZ") with its defaults.

    With `keep_unknown`, keys that the models do not know are kept instead of refused; they belong
    to an algorithm that is not of this package. `device` stays None if it is not given.
    """
    if name not in models.ALGORITHMS:
        problem = f"{name}: {unknown(name, list(models.ALGORITHMS))}"
        raise ConfigError([Fault("", problem, KeyError(name))], source)
    if not isinstance(raw, Mapping):
        problem = f"got {shown(raw)}; expected an object"
        raise ConfigError([Fault("", problem, TypeError(problem))], source)
    faults: list[Fault] = []
    resolved = _resolve_algorithm(name, plain(raw), "algorithm", faults, keep_unknown)
    if faults:
        raise ConfigError(faults, source)
    return resolved


def check_section(model: type[BaseModel], given: dict[str, Any], prefix: str, source: str) -> None:
    """Raises `ConfigError` if a value of `given` is not what `model` takes under that key."""
    faults: list[Fault] = []
    _validated(model, given, "", faults)
    if faults:
        raise ConfigError([Fault(f"{prefix}{f.path}", f.problem) for f in faults], source)


def plain(value: Any) -> Any:
    """A copy of nested dicts and lists, with numpy scalars as Python numbers."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(plain(item) for item in value) if type(value) in (list, tuple) else value
    if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        return value.item()
    return value


def known_paths() -> list[str]:
    """The dotted path of every key that a config of this package's classes may hold."""
    paths = list(models.Run.model_fields)
    for kind, classes in models.REGISTRY.items():
        for _, model in classes.values():
            paths += _paths(model, kind.removesuffix("_cls"))
    return list(dict.fromkeys(paths))


def nearest_path(path: str) -> str | None:
    """The known path that a mistaken `path` most likely means, by its last name first."""
    paths = known_paths()
    last = path.rsplit(".", 1)[-1]
    same = [known for known in paths if known.rsplit(".", 1)[-1] == last]
    return nearest(path, same, cutoff=0.0) or nearest(path, paths)


def _paths(model: Any, prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        path = joined(prefix, field.alias or name)
        yield path
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _paths(field.annotation, path)


def _resolve_algorithm(
    name: str, raw: dict[str, Any], path: str, faults: list[Fault], keep_unknown: bool
) -> dict[str, Any]:
    raw = dict(raw)
    defaults = models.BasicPolicyArguments().model_dump(exclude={"twists"})
    policy = raw.get("policy", {})
    raw["policy"] = {**defaults, **policy} if isinstance(policy, dict) else policy
    faults += _choose_evaluations(name, raw, path)
    checked = _validated(models.ALGORITHMS[name], raw, path, faults, keep_unknown)
    if checked is None:
        return raw
    if name == "AZ":
        _search_as_taught(checked)
    resolved = checked.model_dump(by_alias=True)
    training, optimizer = checked.training, checked.optimizer
    # Given keys only, beside lr: a subclass may choose an optimizer without betas.
    given = optimizer.model_fields_set
    resolved["optimizer"] = {
        key: value for key, value in resolved["optimizer"].items() if key == "lr" or key in given
    }
    if training.lr is not None:
        if "lr" in given and optimizer.lr != training.lr:
            problem = f"got {training.lr}, and optimizer.lr is {optimizer.lr}; give one of them"
            faults.append(Fault(joined(path, "training.lr"), problem))
        resolved["optimizer"]["lr"] = training.lr
    if name == "ES":
        faults += _not_greedy(checked, joined(path, "evals"))
        if checked.learning.final_diff_is_none:
            problem = "got true; expected false: ES learns from scrambled states alone"
            faults.append(Fault(joined(path, "learning.final_diff_is_none"), problem))
    else:
        searches = {joined(path, "evals", name): entry for name, entry in checked.evals.items()}
        if name == "AZ":
            searches[joined(path, "collecting")] = checked.collecting
        for where, search in searches.items():
            faults += _impossible_trees(search, where)
    return _kept(resolved, raw) if keep_unknown else resolved


def _choose_evaluations(name: str, raw: dict[str, Any], path: str) -> Iterator[Fault]:
    """Fills in the evaluations of `raw` and what their names say, and looks for the metric.

    `{}` is none, and no curriculum then. A preset that `diff_metric` names needs no entry.
    """
    evals = raw.get("evals", {preset: {} for preset in models.DEFAULT_EVALS[name]})
    learning = raw.get("learning", {})
    if not isinstance(evals, dict) or not isinstance(learning, dict):
        return
    metric = learning.get("diff_metric", models.Learning().diff_metric)
    if isinstance(metric, str):
        if not evals:
            raw["learning"] = {**learning, "diff_metric": None}
        elif "diff_metric" in learning and metric in models.PRESETS:
            evals = {**evals, metric: evals.get(metric, {})}
        elif metric not in evals:
            got = shown(metric) + ("" if "diff_metric" in learning else " by default")
            problem = f"got {got}; expected a key of evals ({', '.join(evals)}), or null"
            yield Fault(joined(path, "learning.diff_metric"), problem)
    raw["evals"] = {
        key: {**models.PRESETS.get(key, {}), **value} if isinstance(value, dict) else value
        for key, value in evals.items()
    }


def _search_as_taught(checked: Any) -> None:
    """Evaluations search by the rules of the collection, where they do not name others."""
    for evaluation in checked.evals.values():
        for rule, field in models.Evaluation.model_fields.items():
            is_rule = (field.alias or rule) in models.TREE_RULES
            if is_rule and rule not in evaluation.model_fields_set:
                setattr(evaluation, rule, getattr(checked.collecting, rule))


def _not_greedy(checked: Any, path: str) -> Iterator[Fault]:
    """What evaluations of ES ask for beside greedy play, which is all that every language has."""
    for name, evaluation in checked.evals.items():
        for key, expected, fits in (
            ("deterministic", "true", evaluation.deterministic),
            ("num_mcts_searches", "0", not evaluation.num_mcts_searches),
            ("strategy", "greedy", evaluation.strategy in (None, "greedy")),
        ):
            if not fits:
                problem = f"got {shown(getattr(evaluation, key))}; expected {expected}"
                yield Fault(joined(path, name, key), f"{problem}: ES plays greedily")


def _impossible_trees(search: Any, path: str) -> Iterator[Fault]:
    """Simulations that the engine would refuse, but only when the search begins."""
    count, path = search.num_mcts_searches, joined(path, "num_mcts_searches")
    if getattr(search, "strategy", None) == "mcts" and count == 0:
        yield Fault(path, 'got 0; expected at least 1 with the strategy "mcts"')
    # A tree that is kept below a Gumbel root grows beyond one move's simulations.
    kept = search.root_selection == "gumbel" and getattr(search, "reuse", True)
    visits = (models.MOST_TREE_STATES + 1) // search.max_expand_depth - 1
    most = max(visits // (models.KEPT_MOVES if kept else 1), 0)
    if count > most:
        shape = f"with {search.root_selection} and max_expand_depth {search.max_expand_depth}"
        yield Fault(path, f"got {count}; expected at most {most} {shape}, for memory")


def _kept(resolved: dict[str, Any], raw: dict[str, Any]) -> dict[str, Any]:
    """`resolved` with the keys of `raw` that it lacks, at every level."""
    for key, value in raw.items():
        if key not in resolved:
            resolved[key] = value
        elif isinstance(value, dict) and isinstance(resolved[key], dict):
            _kept(resolved[key], value)
    return resolved


def _without(raw: dict[str, Any], loc: list[Any]) -> dict[str, Any]:
    first, *rest = loc
    if not rest:
        return {key: value for key, value in raw.items() if key != first}
    return {**raw, first: _without(raw[first], rest)}


def _validated(
    model: type[BaseModel],
    raw: dict[str, Any],
    path: str,
    faults: list[Fault],
    keep_unknown: bool = False,
) -> Any:
    """`raw` as a `model`, or None with what is wrong appended to `faults`."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False)
    if keep_unknown and all(detail["type"] == "extra_forbidden" for detail in details):
        for detail in details:
            raw = _without(raw, list(detail["loc"]))
        return _validated(model, raw, path, faults)
    for detail in details:
        loc = [part for part in detail["loc"] if part != "[key]"]
        problem = _problem(model, path, loc, detail)
        faults.append(Fault(joined(path, *loc), problem, _builtin(path, detail)))
    return None


def _builtin(path: str, detail: Any) -> Exception | None:
    """What Python itself raised in TwisteRL 0.5, which had no validation, if anything."""
    if detail["type"] == "missing" and not path:
        return KeyError(detail["loc"][-1])
    wrong = ("missing", "extra_forbidden", "int_from_float")
    if detail["type"] in wrong or detail["type"].endswith("_type"):
        return TypeError(detail["msg"])
    return None


def _problem(model: type[BaseModel], path: str, loc: list[int | str], detail: Any) -> str:
    if detail["type"] == "missing":
        return "is missing"
    if detail["type"] == "extra_forbidden":
        return _unknown_key(model, path, loc)
    message = detail["msg"]
    if message.startswith("Input should be "):
        expected = message.removeprefix("Input should be ").replace("dictionary", "object")
        expected = expected.replace(" or instance of Evaluation", "")
        return f"got {shown(detail['input'])}; expected {expected}"
    return f"got {shown(detail['input'])}: {message}"


def _unknown_key(model: type[BaseModel], path: str, loc: list[int | str]) -> str:
    section: Any = model
    for part in loc[:-1]:
        if section is models.Evaluation or section is None:
            break
        field = next((f for n, f in section.model_fields.items() if part in (n, f.alias)), None)
        if field is None:
            # A name that the user chose: the members of `evals`.
            section = models.Evaluation
        else:
            section = field.annotation
            if not (isinstance(section, type) and issubclass(section, BaseModel)):
                section = models.Evaluation
    key = str(loc[-1])
    known = [field.alias or name for name, field in section.model_fields.items()]
    match = nearest(key, known)
    if match is not None:
        return f"unknown key; did you mean {joined(path, *loc[:-1], match)}?"
    elsewhere = nearest_path(joined(path, *loc)) if issubclass(model, models._Algorithm) else None
    if elsewhere is not None and elsewhere.rsplit(".", 1)[-1] == key:
        return f"unknown key; did you mean {elsewhere}?"
    return unknown(key, known)
