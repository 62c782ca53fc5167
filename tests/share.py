"""Runs the tests beside others that do the same: python tests/share.py FOLDER NUMBER

All have the same list of files, the slow ones first, and each file is run by whoever comes to it
first: they end at about the same time. FOLDER is empty at first, and has a name for every file that
somebody has begun; NUMBER is for people.
"""

from __future__ import annotations

import gc
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Those that take ten seconds and more, the slowest first.
SLOW = (
    "tests/wasm/test_wasm.py",
    "tests/python/test_streams.py",
    "tests/docs/test_chains.py",
    *(
        f"tests/python/test_{name}.py"
        for name in "machines nn_exports machines_ray quantum cli without_torch".split()
    ),
    "tests/soak/test_soak.py",
    *(
        f"tests/python/test_{name}.py"
        for name in "nn_properties cache players nn_policies stubs write_failures".split()
    ),
    "tests/docs/test_notebook.py",
    "tests/parity/test_golden.py",
)
# Those that run, or are linked with, what the tests of Rust build meanwhile.
RUNNING_BUILT = tuple(f"tests/python/test_{name}.py" for name in ("grid_world", "rust_program"))


class Share:
    """What makes of `pytest` one that leaves out the files that others have begun."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        # A file is begun once: its items stand together, whatever fixtures they share.
        items.sort(key=lambda item: (turn(file_of(item)), file_of(item)))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        if session.testsfailed:
            return None  # Of files that cannot be read pytest tells more.
        # What was imported and collected stays to the end, and garbage is sought elsewhere, less
        # often than in a small program: it took a tenth of the time.
        gc.enable()
        gc.freeze()
        gc.set_threshold(10_000, 20, 20)
        ours = self._ours(session.items)
        item = next(ours, None)
        while item is not None:
            # What is set up for this one ends unless the next one of ours has it too.
            following = next(ours, None)
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.shouldfail:
                raise session.Failed(session.shouldfail)
            if session.shouldstop:
                raise session.Interrupted(session.shouldstop)
            item = following
        return True

    def _ours(self, items: list[pytest.Item]) -> Iterator[pytest.Item]:
        for file, those in itertools.groupby(items, file_of):
            if self._begins(file):
                yield from those

    def _begins(self, file: str) -> bool:
        try:
            self._folder.joinpath(file.replace("/", "+")).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


def file_of(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


def turn(file: str) -> int:
    """Files of a lower one come first."""
    if file in SLOW:
        return SLOW.index(file)
    return len(SLOW) + (file in RUNNING_BUILT)


def main() -> int:
    folder = Path(sys.argv[1])
    gc.disable()
    # As `python -m pytest` has it.
    sys.path[0] = str(Path.cwd())
    return pytest.main([], plugins=[Share(folder)])


if __name__ == "__main__":
    sys.exit(main())
