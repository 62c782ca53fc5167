"""Kills training at random moments, resumes it, and compares it with a run that nothing stopped.

    python tests/soak/kills.py                     1,000 kills, a part of make soak
    python tests/soak/kills.py --count 25 --seed 7
    python tests/soak/kills.py --only 123          the life in which kill 123 was

Most kills are of forked children, before their n-th call of a function or right at a call into
the system, so that they can be repeated; one in `--processes-every` is of a whole process of
`python -m twisterl.train` by SIGKILL after a random time. After each, no file is torn and no
committed iteration lost; at its end the run has the weights, optimizer, counters and metrics of an
uninterrupted one.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import runs

ITERATIONS = 6
ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Trace:
    """Counts the calls and returns of a process, and ends it at one of them."""

    kill_at: int | None = None
    count: int = 0
    # Where the system was called: half of the kills are there.
    system: list[int] = field(default_factory=list)

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        self.count += 1
        if self.count == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if event.startswith("c_") and getattr(argument, "__module__", None) == "posix":
            self.system.append(self.count)


def train(config: Path, folder: Path, num_steps: int) -> None:
    """The whole of `python -m twisterl.train`, but for its picture and its panel."""
    from twisterl.train import Options, Training

    resumes = bool(runs.require_whole(folder)) if folder.exists() else False
    begun = not resumes and folder.exists()
    options = Options(
        str(config), str(folder), num_steps=num_steps, resume=resumes, overwrite=begun
    )
    training = Training(options)
    training.start()
    training.learn()


def forked(config: Path, folder: Path, trace: Trace, report: Path | None = None) -> int:
    """Trains in a child; its exit status, -9 if it was killed."""
    child = os.fork()
    if child == 0:
        try:
            sys.setprofile(trace)
            train(config, folder, ITERATIONS)
            sys.setprofile(None)
            if report is not None:
                report.write_text(json.dumps([trace.count, trace.system]))
        except BaseException:
            sys.setprofile(None)
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def process(config: Path, folder: Path, seconds: float) -> int:
    """Trains by a process of its own and kills it after that time; its exit status."""
    resumes = folder.exists() and runs.require_whole(folder)
    words = ["--resume"] if resumes else ["--config", str(config), "--overwrite"]
    command = [sys.executable, "-m", "twisterl.train", "--run_path", str(folder), *words]
    found = {**os.environ, "PYTHONPATH": str(ROOT / "python"), "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(command, env=found, stdout=subprocess.DEVNULL, stderr=said)
        try:
            status = child.wait(seconds)
        except subprocess.TimeoutExpired:
            child.kill()
            status = child.wait()
        if status not in (0, -signal.SIGKILL):
            said.seek(0)
            print(said.read().decode(errors="replace"), file=sys.stderr)
        return status


@dataclass
class Reference:
    """The run that nothing stops."""

    fingerprint: dict[str, str]
    num_events: int
    system: list[int]


class Lives:
    """Runs that are killed and resumed until they end."""

    def __init__(self, folder: Path, seed: int, processes_every: int) -> None:
        self.folder = folder
        self.seed = seed
        self.processes_every = processes_every
        self.references: dict[tuple[str, int], Reference] = {}
        self.kills = 0
        self.resumed = 0

    def reference(self, algorithm: str, parity: int) -> Reference:
        if (algorithm, parity) in self.references:
            return self.references[algorithm, parity]
        folder = self.folder / f"reference-{algorithm}-{parity}"
        report = self.folder / "report"
        if forked(self.config(algorithm, parity), folder, Trace(), report) != 0:
            raise AssertionError(f"{algorithm}: the uninterrupted run failed")
        count, system = json.loads(report.read_text())
        found = Reference(runs.fingerprint(folder), count, system)
        self.references[algorithm, parity] = found
        return found

    def config(self, algorithm: str, parity: int) -> Path:
        path = self.folder / f"{algorithm}-{parity}.json"
        path.write_text(json.dumps(runs.config(algorithm, ITERATIONS, parity)))
        return path

    def live(self, number: int) -> None:
        """Life `number`: AssertionError if something was torn, lost or came out otherwise."""
        rng = random.Random(f"{self.seed} {number}")
        algorithm, parity = runs.ALGORITHMS[number % len(runs.ALGORITHMS)], rng.randrange(2)
        reference = self.reference(algorithm, parity)
        config, folder = self.config(algorithm, parity), self.folder / f"life-{number}"
        whole = bool(self.processes_every) and number % self.processes_every == 0
        committed = status = 0
        seconds = 1.0
        while True:
            if whole:
                status = process(config, folder, seconds * rng.uniform(0.3, 1.5))
                seconds *= 1.5  # A busy machine may need long to get anywhere.
            else:
                at = rng.choice((rng.randrange(reference.num_events), rng.choice(reference.system)))
                status = forked(config, folder, Trace(at))
            if status == 0:
                break
            assert status == -signal.SIGKILL, f"{algorithm}: a resumed run ended with {status}"
            self.kills += 1
            now = runs.require_whole(folder) if folder.exists() else 0
            assert now >= committed, f"{algorithm}: {committed} iterations committed, now {now}"
            self.resumed += now > 0
            committed = now
        assert runs.fingerprint(folder) == reference.fingerprint, (
            f"{algorithm}: {runs.fingerprint(folder)}, uninterrupted {reference.fingerprint}"
        )


def kill(count: int, seed: int, processes_every: int, only: int | None = None) -> str:
    """At least `count` kills; says how many. AssertionError names the life that went wrong."""
    # Children inherit what takes seconds to import.
    for name in ("rl", "train", "utils"):
        importlib.import_module(f"twisterl.{name}")
    import torch

    torch.set_num_threads(1)
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        lives = Lives(Path(folder), seed, processes_every)
        number = only or 0
        while lives.kills < count and (only is None or number == only):
            try:
                lives.live(number)
            except Exception as error:
                raise AssertionError(f"--seed {seed} --only {number}: {error}") from error
            number += 1
    return (
        f"{lives.kills} kills in {number} lives, {lives.resumed} resumed, "
        f"0 torn, 0 lost, all equal; {time.monotonic() - begin:.0f} s"
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=1000, help="kills (1,000)")
    parser.add_argument("--seed", type=int, default=0, help="chooses the moments (0)")
    parser.add_argument("--processes-every", type=int, default=20, help="lives (20); 0: none")
    parser.add_argument("--only", type=int, metavar="N", help="life N alone")
    options = parser.parse_args()
    try:
        print(kill(options.count, options.seed, options.processes_every, options.only))
    except AssertionError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
