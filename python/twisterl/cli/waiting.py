"""A word to who waits for an answer that is prepared for long."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from twisterl.cli import streams

# Until the first line; each later one comes after twice the time, at most the longest.
FIRST_S = 4.0
_LONGEST_S = 64.0


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Says on stderr how far the tables and lessons of a search are, if they take seconds.

    They come from the cache, where they are kept, and go there.
    """
    from twisterl import cache

    ended = threading.Event()
    watcher = threading.Thread(target=_watch, args=(ended, FIRST_S), daemon=True)
    watcher.start()
    try:
        with cache.keeping(lambda problem: streams.complain(f"warning: {problem}")):
            yield
    finally:
        ended.set()
        watcher.join()


def _watch(ended: threading.Event, pause: float) -> None:
    from twisterl.twisterl import collector

    while not ended.wait(pause):
        now = collector.preparing()
        if now is not None:
            streams.complain(f"preparing {now[0]}: {now[1]:.0%}")
            pause = min(2 * pause, _LONGEST_S)
