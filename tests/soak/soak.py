"""Runs every part of the soak, one after the other, and says at the end what became of each.

    python tests/soak/soak.py                  all of it, some hours: make soak
    python tests/soak/soak.py kills configs    some parts
    python tests/soak/soak.py --share 0.01     a hundredth of each count, 10 s of each fuzz target

Every part goes by seeds, so that what it names as wrong can be run again alone.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOAK = "tests/soak/"
Part = tuple[list[str], dict[str, str]]


def _python(*words: object) -> list[str]:
    return [sys.executable, *map(str, words)]


def _counted(script: str, count: int) -> Callable[[float], Part]:
    return lambda share: (_python(script, "--count", max(1, round(share * count))), {})


def _laws(share: float) -> Part:
    cases = str(max(64, round(share * 500_000)))
    command = ["cargo", "test", "--quiet", "--package", "twisterl", "--test", "all", "laws::"]
    return command, {"PROPTEST_CASES": cases}


def _disk(share: float) -> Part:
    return _python("-m", "pytest", "-q", "tests/python/test_write_failures.py"), {"SOAK": "1"}


def _long_tests(share: float) -> Part:
    return _python("-m", "pytest", "-q", "-m", "long"), {}


def _fuzz(share: float) -> Part:
    return _python(SOAK + "fuzz.py", "--seconds", max(10, round(share * 600))), {}


# What runs with a share of its full count.
PARTS: dict[str, Callable[[float], Part]] = {
    "kills": _counted(SOAK + "kills.py", 1000),
    "configs": _counted(SOAK + "configs.py", 10_000),
    "models": _counted("tests/parity/models.py", 1_000_000),
    "circuits": _counted(SOAK + "circuits.py", 10_000),
    "laws": _laws,
    "disk": _disk,
    "tests": _long_tests,
    "fuzz": _fuzz,
    "nodes": _counted(SOAK + "nodes.py", 20),
    "memory": lambda share: (_python(SOAK + "memory.py"), {}),
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--share", type=float, default=1.0, help="of each count (1)")
    options = parser.parse_args()
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"got {', '.join(sorted(unknown))}; the parts are {', '.join(PARTS)}")
    told, failed = [], False
    for name in options.parts or PARTS:
        command, variables = PARTS[name](options.share)
        print(f"== {name}", flush=True)
        begin = time.monotonic()
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, **variables}, check=False)
        failed |= done.returncode != 0
        result = "ok" if done.returncode == 0 else f"FAILED ({done.returncode})"
        told.append(f"{name:<8} {result}, {time.monotonic() - begin:.0f} s")
    print("\n".join(["", *told]))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
