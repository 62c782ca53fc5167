"""Environments with answers of ours, so that one bad answer does not hide the next one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisterl import twisterl as _extension
from twisterl.envs.protocol import needed_methods
from twisterl.envs.report import Report

SIZES = (
    "num_actions",
    "act_space",
    "obs_shape",
    "obs_dtype",
    "obs_space",
    "twists",
    "inverse_actions",
)
_ANSWERS: dict[str, Any] = {
    "num_actions": 1,
    "act_space": {"type": "discrete", "n": 1},
    "obs_shape": [2**31 - 1],
    "obs_dtype": "sparse",
    "obs_space": {"dtype": "sparse", "shape": [2**31 - 1]},
    "masks": [True],
    "is_final": False,
    "success": False,
    "truncated": False,
    "value": 0.0,
    "observe": [],
    "twists": ([], []),
}


def has(env: Any, name: str) -> bool:
    """Whether the engine finds the method."""
    try:
        return callable(getattr(env, name))
    except Exception:
        return False


class StandIn:
    """``env`` with our answers: ``answers`` alone, or all but those of ``asked``."""

    def __init__(self, env: Any, answers: dict[str, Any]) -> None:
        self._env, self._answers = env, answers

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)  # How to copy it is no matter of the environment.
        if name in self._answers:
            return lambda *_: self._answers[name]
        return getattr(self._env, name)

    def copy(self) -> Any:
        copied = self._env if "copy" in self._answers else self._env.copy()
        # What is no copy is for the engine to see.
        if copied is self._env and "copy" not in self._answers:
            return self
        return StandIn(copied, self._answers) if has(copied, "next") else copied


def only(env: Any, asked: Iterable[str]) -> Any:
    """``env`` for the engine, which hears its own answers to ``asked`` alone.

    Raises what the engine says of the sizes among them.
    """
    names = {*_extension.env.PyEnv.METHODS, *SIZES, "truncated"} - {*asked}
    names -= {name for name in ("act_space", "obs_space") if not has(env, name)}
    answers = {name: _ANSWERS.get(name) for name in names}
    return _extension.env.PyEnv(StandIn(env, answers))


def mended(env: Any, report: Report) -> Any:
    """``env``, or one with our sizes and methods where its own are none; ``report`` names those."""
    needed = needed_methods(lambda name: has(env, name))
    missing = [name for name in needed if not has(env, name)]
    for name in missing:
        report.add(f"{name}()", "", "expected a method", f" of {type(env).__name__}, got none")
    bad = set(missing)
    for name in SIZES:
        if name in bad or not has(env, name):
            continue
        # Twists are compared with the numbers of features and of actions.
        counted = "act_space" if has(env, "act_space") else "num_actions"
        seen = "obs_space" if has(env, "obs_space") else "obs_shape"
        known = [size for size in (counted, seen) if size not in bad]
        asked = [name, *known] if name == "twists" else [name]
        if name == "twists" and len(known) < 2:
            bad.add(name)
            continue
        try:
            only(env, asked)
        except Exception as error:
            report.add_error(f"{name}()", "", error)
            bad.add(name)
    if not bad:
        return env
    report.excused |= {f"{name}()" for name in bad}
    if bad & {"obs_dtype", "obs_space"}:
        report.excused.add("observe()")
    if bad & {"num_actions", "act_space"}:
        # Nobody knows how many there should be.
        report.excused |= {"masks()", "next()"}
    return StandIn(env, {name: _ANSWERS.get(name) for name in bad})
