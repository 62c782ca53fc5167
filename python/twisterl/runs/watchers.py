"""Who is told of a run while it trains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisterl.runs.progress import Progress

_EVENTS = ("on_start", "on_evaluation", "on_iteration", "on_save", "on_end")
# A function of the progress, or an object with at least one of these methods of `Callback`.
Watcher = Callable[[Progress], object] | object


class Watchers:
    """Tells every watcher in the order in which they came."""

    def __init__(self) -> None:
        self._watchers: list[Any] = []

    def add(self, watcher: Watcher) -> None:
        """Raises TypeError for what is neither a function nor has a method of `Callback`."""
        if not callable(watcher) and not any(hasattr(watcher, name) for name in _EVENTS):
            expected = f"a function or an object with one of {', '.join(_EVENTS)}"
            raise TypeError(f"watcher: expected {expected}, got {type(watcher).__name__}")
        self._watchers.append(watcher)

    def start(self, algorithm: Any) -> None:
        self._tell("on_start", algorithm)

    def iteration(self, algorithm: Any, progress: Progress) -> None:
        for watcher in self._watchers:
            if progress.evaluations and hasattr(watcher, "on_evaluation"):
                watcher.on_evaluation(algorithm, progress)
            if hasattr(watcher, "on_iteration"):
                watcher.on_iteration(algorithm, progress)
            elif callable(watcher):
                watcher(progress)

    def save(self, algorithm: Any) -> None:
        self._tell("on_save", algorithm)

    def end(self, algorithm: Any) -> None:
        self._tell("on_end", algorithm)

    def _tell(self, event: str, algorithm: Any) -> None:
        for watcher in self._watchers:
            method = getattr(watcher, event, None)
            if method is not None:
                method(algorithm)
