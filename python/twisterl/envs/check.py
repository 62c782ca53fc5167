"""Does an environment keep its promises? Plays it and lists what is wrong."""

from __future__ import annotations

import copy
import random
from typing import Any

from twisterl import memory
from twisterl.envs.report import Report
from twisterl.envs.stand_in import has, mended
from twisterl.envs.trial import Trial


def check_env(
    env: Any, *, difficulty: int = 1, num_episodes: int = 10, max_steps: int = 1000, seed: int = 0
) -> None:
    """Plays random episodes with a copy of ``env`` and checks what it answers.

    ``env`` is anything that can be trained on: an environment of a compiled package, a
    [PyEnv][twisterl.envs.PyEnv], or a Python class, the path of one, or an object with its methods.

    Checked are the sizes; that features are distinct and in range; that rewards are finite; that
    there is a mask for each action and a legal action until the end; that episodes end within
    ``max_steps``; that a copy plays on without touching its original; that the same seed gives
    the same episode, or for Python environments without ``reseed`` that copies do not all start
    the same episodes; that each observation permutation is one; and that the engine can collect,
    solve and walk with it, in its batched form if it has one.

    Raises ValueError that lists all faults, one a line, each with where it was found. What a
    method raises is one of them, and the first of these the cause of the error.

    >>> from twisterl.envs import Puzzle
    >>> check_env(Puzzle(3, 3, 1, 2, 256), difficulty=5)
    """
    report = Report()
    playable = _playable(env, report)
    if playable is not None:
        playable.difficulty = difficulty
        trial = Trial(playable, report, max_steps, random.Random(seed))
        trial.check_twists()
        for episode in range(num_episodes):
            trial.play(seed + episode)
        if trial.python_env is None or has(trial.python_env, "reseed"):
            for episode in range(num_episodes):
                trial.compare(seed + episode)
        else:
            trial.compare_copies()
        if not report or has(trial.python_env, "vectorize"):
            trial.play_by_engine()
    report.require_none()


def _playable(env: Any, report: Report) -> Any:
    """A copy of the environment that ``env`` is or makes; None and a fault if it does not."""
    from twisterl.config.resolve import import_class
    from twisterl.envs.python_env import PyEnv

    try:
        cls = import_class("env.pyenv_cls", env) if isinstance(env, str) else env
        made = cls() if isinstance(cls, type) else cls
    except Exception as error:
        report.add_error("the constructor", "", error)
        return None
    if not has(made, "__twisterl_env__"):
        made = PyEnv(mended(made, report))
    problem = memory.beyond(made.obs_shape())
    if problem is not None:
        report.add("obs_shape()", "", problem)
    try:
        return made.copy()
    except Exception as error:
        report.add_error("copy()", "", error)
        report.excused.add("copy()")
    try:
        return copy.deepcopy(made)
    except Exception:
        return None  # What is there is somebody's: it is not played.
