"""Who is told of a run while it trains."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from twisterl.rl.progress import Progress

if TYPE_CHECKING:
    from twisterl.rl.algorithm import Algorithm


class Watcher(Protocol):
    """What may be told; a watcher has at least one of these methods."""

    def on_iteration(self, algorithm: Algorithm, progress: Progress) -> object: ...


class Watchers:
    """Tells every watcher in the order in which they came."""

    def __init__(self) -> None:
        self._watchers: list[Any] = []

    def add(self, watcher: Watcher | Callable[[Progress], object]) -> None:
        """Raises TypeError for what is neither a function nor has a method of `Callback`."""
        if not callable(watcher) and not any(hasattr(watcher, name) for name in _EVENTS):
            expected = f"a function or an object with one of {', '.join(_EVENTS)}"
            raise TypeError(f"watcher: expected {expected}, got {type(watcher).__name__}")
        self._watchers.append(watcher)

    def start(self, algorithm: Algorithm) -> None:
        self._tell("on_start", algorithm)

    def iteration(self, algorithm: Algorithm, progress: Progress) -> None:
        for watcher in self._watchers:
            if hasattr(watcher, "on_iteration"):
                watcher.on_iteration(algorithm, progress)
            elif callable(watcher):
                watcher(progress)

    def save(self, algorithm: Algorithm) -> None:
        self._tell("on_save", algorithm)

    def end(self, algorithm: Algorithm) -> None:
        self._tell("on_end", algorithm)

    def _tell(self, event: str, algorithm: Algorithm) -> None:
        for watcher in self._watchers:
            method = getattr(watcher, event, None)
            if method is not None:
                method(algorithm)


_EVENTS = ("on_start", "on_iteration", "on_save", "on_end")
