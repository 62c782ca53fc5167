"""Plants the faults of parity.toml and tests.toml one by one and expects each to be noticed.

    python tests/mutations/mutate.py                every fault: make mutations
    python tests/mutations/mutate.py --only 3 7     some, by their number
    python tests/mutations/mutate.py --subject resume snapshot
    python tests/mutations/mutate.py --rotate 4     some that the date chooses among those of Python

Each fault is planted in a copy of the tree and judged as its entry says: the parity check must name
a difference, or a test must fail. The untouched copy must pass first. Writes docs/mutations.md.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import itertools
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from faults import ROOT, Fault, ListError, read_lists, source_of
from judges import Judges, PortError

REPORT = ROOT / "docs" / "mutations.md"
# Where Python keeps what it has compiled, which else every judge would do.
COMPILED = ("python/twisterl", "tests")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", type=int, nargs="+", metavar="N", help="numbers, from 0 on")
    parser.add_argument("--subject", nargs="+", metavar="NAME", help="faults of these subjects")
    parser.add_argument("--rotate", type=int, metavar="COUNT", help="some that need no build")
    options = parser.parse_args()
    faults = read_lists()
    chosen = options.only or list(range(len(faults)))
    if options.subject:
        chosen = [i for i in chosen if faults[i].subject in options.subject]
    if options.rotate:
        chosen = of_today(faults, options.rotate)
    caught: dict[Fault, str] = {}
    planted_at = commit()
    with tempfile.TemporaryDirectory() as folder:
        copy = Copy(Path(folder))
        copy.require_sound([faults[i] for i in chosen])
        for number in chosen:
            begin = time.monotonic()
            said = copy.judged(faults[number])
            seconds = time.monotonic() - begin
            what = f"{source_of(faults[number])}: {faults[number].replace!r:.60}"
            verdict = "caught" if said else "MISSED"
            print(f"{number:3} {verdict} {seconds:5.1f} s  {what}\n      {said}", flush=True)
            if said:
                caught[faults[number]] = said
    missed = [i for i in chosen if faults[i] not in caught]
    print(f"{len(caught)} of {len(chosen)} caught, missed: {missed or 'none'}")
    if not options.rotate:
        write_report(faults, [faults[i] for i in chosen], caught, planted_at)
    return 1 if missed else 0


def of_today(faults: list[Fault], count: int) -> list[int]:
    """The numbers of `count` faults that need no build: others tomorrow, all in their turn."""
    quick = [i for i, fault in enumerate(faults) if not fault.needs_build]
    day = datetime.date.today().toordinal() * count
    return [quick[(day + i) % len(quick)] for i in range(count)]


class Copy:
    """A copy of the tree in which one fault at a time is planted."""

    def __init__(self, folder: Path) -> None:
        self.root = folder
        listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout
        for name in filter(None, names.decode().split("\0")):
            source, target = ROOT / name, folder / name
            if source.is_file() and not source.is_symlink():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
                # What Python has compiled of it is of a file of this time. A fault has a later one,
                # and judges let nothing be compiled for another process.
                shutil.copystat(source, target)
        for compiled in itertools.chain(*(ROOT.joinpath(name).rglob("*.pyc") for name in COMPILED)):
            target = folder / compiled.relative_to(ROOT)
            if target.parent.parent.exists():
                target.parent.mkdir(exist_ok=True)
                shutil.copyfile(compiled, target)
        for built in (ROOT / "python" / "twisterl").glob("twisterl.*"):
            shutil.copyfile(built, folder / "python" / "twisterl" / built.name)
        self._judges = Judges(folder)

    def require_sound(self, faults: list[Fault]) -> None:
        """Raises `PortError` if a judge complains of the untouched copy, `ListError` for a fault
        that cannot be planted.
        """
        judges = {fault.judge: fault for fault in faults if source_of(fault)}
        by_tests = [fault for fault in judges.values() if fault.pytest]
        complaints = [
            (judge, self._judges.complaint(fault))
            for judge, fault in judges.items()
            if fault not in by_tests
        ]
        if by_tests:
            # Of those that Python imports, one start of it.
            tests = " ".join(fault.pytest for fault in by_tests)
            complaints.append(("pytest", self._judges.pytest(by_tests[0], tests)))
        for judge, said in complaints:
            if said:
                raise PortError(f"{judge}: complains without a fault: {said}")

    def judged(self, fault: Fault) -> str | None:
        """What is said of `fault` once it is planted, None if nobody notices it."""
        with self._planted(fault):
            return self._judges.complaint(fault)

    @contextlib.contextmanager
    def _planted(self, fault: Fault) -> Iterator[None]:
        path = self.root / source_of(fault)
        original = path.read_text(encoding="utf-8")
        path.write_text(original.replace(fault.find, fault.replace), encoding="utf-8")
        try:
            yield
        finally:
            path.write_text(original, encoding="utf-8")


def commit() -> str:
    """The short name of the commit that was tested."""
    asked = ["git", "rev-parse", "--short", "HEAD"]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def row(fault: Fault) -> str:
    change = f"`{source_of(fault)}`: `{escaped(fault.find)}` → `{escaped(fault.replace)}`"
    return f"| {fault.subject or fault.port} | {change} |"


def escaped(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def write_report(
    faults: list[Fault], planted: list[Fault], caught: dict[Fault, str], planted_at: str
) -> None:
    """What was caught now, at commit `planted_at`; of faults that were not planted now the lines
    that are there.
    """
    before = REPORT.read_text().splitlines() if REPORT.exists() else []
    lines = []
    for fault in faults:
        known = [line for line in before if line.startswith(row(fault)) and fault not in planted]
        if fault in caught:
            known = [f"{row(fault)} {escaped(caught[fault])} | {planted_at} |"]
        lines += known[:1]
    about = (
        "# Planted faults\n\n"
        "Written by `make mutations`: what the parity check, or where it does not reach a test,\n"
        "says first about each fault of the lists in `tests/mutations`, and the commit at which\n"
        f"it was planted. Caught are {len(lines)} of {len(faults)}.\n\n"
    )
    head = "| where | fault | what is said | at |\n| --- | --- | --- | --- |\n"
    REPORT.write_text(about + head + "\n".join(lines) + "\n")
    print(f"{REPORT.relative_to(ROOT)} written")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (PortError, ListError) as error:
        sys.exit(str(error))
