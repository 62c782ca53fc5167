"""Whether an environment from elsewhere keeps to what it declares, tried before a run begins."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from twisterl import twisterl as _extension
from twisterl.envs.stand_in import has


def require_plays(env: Any, *, by_walks: bool) -> None:
    """A reset and a step of a copy, as the engine plays, or a walk of one step.

    Nothing that a run draws from is drawn from here. Raises what the engine says of an answer that
    is none, TypeError or ValueError, and what the environment itself raises.
    """
    if not hasattr(env, "__twisterl_env__"):
        return  # What does not play is said where it is to play.
    with stand_in(env) as env:
        if env is None:
            return
        if by_walks:
            _extension.collector.WalkCollector(1, 1, num_cores=1).collect(env)
            return
        _extension.collector.try_out(env)


@contextmanager
def stand_in(env: Any) -> Iterator[Any]:
    """What plays for `env` and draws from none of its streams, None if nothing can."""
    inner = getattr(env, "python_env", None)
    with _no_draws():
        if inner is not None and not has(inner, "reseed"):
            try:
                # Its `copy` may draw, so that copies differ.
                env = copy.deepcopy(env)
            except Exception:
                env = None
        yield env


@contextmanager
def _no_draws() -> Iterator[None]:
    """Puts the streams that all of Python shares back to where they were."""
    state, numpy_state = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(state)
        np.random.set_state(numpy_state)
