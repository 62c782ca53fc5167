"""Runs mutated configs: each is refused in one line or does its work; nothing else happens.

    python tests/soak/configs.py                       10,000 configs, a part of make soak
    python tests/soak/configs.py --count 300 --seed 7
    python tests/soak/configs.py --only 123            one, with all that it says

Every config is checked by `twisterl train --dry-run`; what that accepts trains for one iteration,
unless Ctrl-C ends it first. A fault is a traceback, a signal, a panic, a file made before the
config was found good, a config that is found bad afterwards, or one that no Ctrl-C ends.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import mutant_configs

# Of one process beyond what it begins with.
MEMORY_BYTES = 4 << 30
# After this much training Ctrl-C is pressed: seconds of a processor, because others may be busy.
PATIENCE_S = 1.0
HANG_S = 120.0
CHECKED_TOGETHER = 50


@dataclass
class Outcome:
    """How a command ended, and what it wrote to standard error."""

    status: int
    said: str

    def problem(self, allowed: tuple[int, ...]) -> str | None:
        if self.status not in allowed:
            return f"status {self.status}: {self.said[-2000:]}"
        if "Traceback" in self.said or "panicked" in self.said:
            return self.said[-2000:]
        errors = [line for line in self.said.splitlines() if line.startswith("error: ")]
        if self.status in (1, 2) and len(errors) != 1:
            return f"expected one error, got {self.said[-2000:]!r}"
        return None


def limit_memory() -> None:
    """An allocation beyond the limit fails, as on a full machine."""
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def command(words: list[str]) -> Outcome:
    """`twisterl` with these words, here."""
    from twisterl import cli

    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
            status = cli.main(words)
    except SystemExit as end:
        status = int(end.code or 0)
    except BaseException:
        return Outcome(-1, said.getvalue() + traceback.format_exc())
    return Outcome(status, said.getvalue())


def training(config: Path, run: Path) -> Outcome:
    """An iteration of what `twisterl train` does, without the picture."""
    from twisterl.cli.signals import interruptible
    from twisterl.runs.errors import CheckpointError
    from twisterl.train import Options, Training

    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            with interruptible():
                run_of_config = Training(Options(str(config), str(run), num_steps=1))
                run_of_config.start()
                try:
                    run_of_config.learn()
                except (FloatingPointError, MemoryError, CheckpointError) as error:
                    return Outcome(1, f"error: {error}")
        except KeyboardInterrupt:
            return Outcome(130, said.getvalue())
        except BaseException:
            return Outcome(-1, said.getvalue() + traceback.format_exc())
    return Outcome(0, said.getvalue())


class Configs:
    """Judges configs in a folder of its own."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.seed = seed
        self.outcomes: Counter[str] = Counter()

    def path(self, number: int) -> Path:
        path = self.folder / f"{number}.json"
        path.write_bytes(mutant_configs.config(self.seed, number))
        return path

    def checked(self, numbers: range) -> dict[int, Outcome]:
        """`--dry-run` on several configs, by one child; it names the one that it dies of."""
        results = self.folder / "results"
        results.write_text("")
        child = os.fork()
        if child == 0:
            limit_memory()
            with results.open("a") as file:
                for number in numbers:
                    run = self.folder / "run"
                    words = ["train", "--config", str(self.path(number)), "--run_path", str(run)]
                    found = command([*words, "--dry-run"])
                    if run.exists():
                        found = Outcome(-1, "it made files")
                    file.write(json.dumps([number, found.status, found.said]) + "\n")
                    file.flush()
            os._exit(0)
        status = waited(child, HANG_S)
        found = {
            number: Outcome(code, said)
            for number, code, said in map(json.loads, results.read_text().splitlines())
        }
        if status != 0:
            found[numbers[len(found)]] = Outcome(-1, f"the process ended with {status}")
        return found

    def trained(self, number: int) -> Outcome:
        """One iteration, by a child that is interrupted when it takes long."""
        run, said = self.folder / f"run-{number}", self.folder / "said"
        child = os.fork()
        if child == 0:
            limit_memory()
            # Whoever runs this in the background may ignore it, and a child goes on so.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            found = training(self.path(number), run)
            said.write_text(found.said, errors="replace")
            os._exit(found.status & 255)
        said.write_text("")
        status = waited(child, PATIENCE_S, signal.SIGINT)
        shutil.rmtree(run, ignore_errors=True)
        return Outcome(status, said.read_text())

    def judge(self, numbers: range, train_every: int) -> list[str]:
        """The faults that these configs show."""
        faults = []
        start = numbers.start
        while start < numbers.stop:
            group = range(start, min(start + CHECKED_TOGETHER, numbers.stop))
            outcomes = self.checked(group)
            start = max(outcomes) + 1
            for number, outcome in outcomes.items():
                problem = outcome.problem((0, 2))
                self.outcomes["accepted" if outcome.status == 0 else "refused"] += 1
                if problem is None and outcome.status == 0 and number % train_every == 0:
                    outcome = self.trained(number)
                    problem = outcome.problem((0, 1, 130))
                    self.outcomes[f"trained with status {outcome.status}"] += 1
                if problem is not None:
                    faults.append(f"--seed {self.seed} --only {number}: {problem}")
        return faults


def waited(child: int, seconds: float, then: signal.Signals = signal.SIGKILL) -> int:
    """The exit status of `child`, which gets `then` after so long, and SIGKILL at last."""
    end = time.monotonic() + HANG_S
    while time.monotonic() < end and processor_seconds(child) < seconds:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, then)
    if then != signal.SIGKILL:
        return waited(child, HANG_S)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def processor_seconds(child: int) -> float:
    """The time of processors that the process has had."""
    fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def judge(count: int, seed: int, train_every: int = 1, first: int = 0) -> tuple[str, list[str]]:
    """What became of `count` configs, and the faults."""
    # Children inherit what takes seconds to import.
    for name in ("cli.train", "config.build", "rl", "train", "utils"):
        importlib.import_module(f"twisterl.{name}")
    import torch

    torch.set_num_threads(1)
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        configs = Configs(Path(folder), seed)
        faults = configs.judge(range(first, first + count), train_every)
    found = ", ".join(f"{n} {what}" for what, n in sorted(configs.outcomes.items()))
    return f"{count} configs: {found}; {time.monotonic() - begin:.0f} s", faults


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=10_000, help="configs (10,000)")
    parser.add_argument("--seed", type=int, default=0, help="chooses them (0)")
    parser.add_argument("--train-every", type=int, default=1, help="of those accepted (1)")
    parser.add_argument("--only", type=int, metavar="N", help="config N alone")
    options = parser.parse_args()
    if options.only is None:
        line, faults = judge(options.count, options.seed, options.train_every)
    else:
        print(mutant_configs.config(options.seed, options.only).decode(errors="replace"))
        line, faults = judge(1, options.seed, first=options.only)
    for fault in faults:
        print(fault, file=sys.stderr)
    print(f"{line}, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
