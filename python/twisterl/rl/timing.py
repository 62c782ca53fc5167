"""Measuring how long a call takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

_Result = TypeVar("_Result")


def timed(func: Callable[..., _Result]) -> Callable[..., tuple[_Result, float]]:
    """Makes a call return `(result, seconds)`."""

    @wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> tuple[_Result, float]:
        start = time.perf_counter()
        result = func(*args, **kwargs)
        return result, time.perf_counter() - start

    return wrapper
