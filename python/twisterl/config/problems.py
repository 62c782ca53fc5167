"""What is wrong with a section, in the words of a `Fault`."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError

from twisterl.config.algorithm import AlgorithmSection
from twisterl.config.evaluations import Evaluation
from twisterl.config.paths import nearest_path, owners, section_of
from twisterl.faults import Fault, joined, nearest, shown, unknown


def validated(
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
        return validated(model, raw, path, faults)
    for detail in details:
        loc = [part for part in detail["loc"] if part != "[key]"]
        problem = _problem(model, path, loc, detail)
        faults.append(Fault(joined(path, *loc), problem, _builtin(path, detail)))
    return None


def _without(raw: dict[str, Any], loc: list[Any]) -> dict[str, Any]:
    first, *rest = loc
    if not rest:
        return {key: value for key, value in raw.items() if key != first}
    return {**raw, first: _without(raw[first], rest)}


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
        if section is Evaluation or section is None:
            break
        field = next((f for n, f in section.model_fields.items() if part in (n, f.alias)), None)
        if field is None:
            # A name that the user chose: the members of `evals`.
            section = Evaluation
        else:
            section = section_of(field.annotation) or Evaluation
    key, here = str(loc[-1]), joined(path, *loc)
    is_of_algorithm = issubclass(model, AlgorithmSection)
    others = owners(here) if is_of_algorithm else []
    if others:
        # As where a config goes on to another algorithm.
        return f"unknown key; it belongs to {' and '.join(others)}"
    known = [field.alias or name for name, field in section.model_fields.items()]
    match = nearest(key, known)
    if match is not None:
        return f"unknown key; did you mean {joined(path, *loc[:-1], match)}?"
    elsewhere = nearest_path(here) if is_of_algorithm else None
    if elsewhere is not None and elsewhere.rsplit(".", 1)[-1] == key:
        return f"unknown key; did you mean {elsewhere}?"
    return unknown(key, known)
