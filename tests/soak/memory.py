"""Runs what has unsafe code under valgrind: the kernels, the engine's columns, both interfaces.

    python tests/soak/memory.py        a part of make soak

Every read and write must be of memory that is there. Where Python takes part nobody looks for what
was never written, since Python's own integers are read so. Valgrind has no AVX-512; the fuzz target
`network` runs those kernels under AddressSanitizer.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ["cargo", "test", "--package", "twisterl", "--features", "abi3", "--no-run"]
BUILD += ["--quiet", "--message-format=json"]
VALGRIND = ["valgrind", "--quiet", "--error-exitcode=99"]
SUPPRESSIONS = f"--suppressions={ROOT / 'tests' / 'soak' / 'valgrind.supp'}"
# Under valgrind the stack may be executed, which the last one denies.
LIBRARY = ["python_interface", "es::", "collector::", "nn::", "--skip", "tells_code_from_data"]
BINARIES = {"twisterl": LIBRARY, "all": ["nn::", "es::"]}


def binaries() -> dict[str, str]:
    """The test programs by name, built."""
    printed = subprocess.check_output([*BUILD, "--lib", "--test", "all"], text=True, cwd=ROOT)
    messages = [json.loads(line) for line in printed.splitlines()]
    return {
        message["target"]["name"]: message["executable"]
        for message in messages
        if message.get("executable") and message["profile"]["test"]
    }


def commands() -> list[list[str]]:
    found = binaries()
    rust = [
        [*VALGRIND, found[name], "--test-threads=1", *words] for name, words in BINARIES.items()
    ]
    pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    python = [*VALGRIND, "--undef-value-errors=no", SUPPRESSIONS]
    return [*rust, [*python, *pytest, "tests/python/test_capsule.py"]]


def main() -> int:
    if shutil.which("valgrind") is None:
        print("skipped: there is no valgrind")
        return 0
    # Each block of Python's is one that valgrind sees, and pip's libpython is found.
    paths = [sysconfig.get_config_var("LIBDIR"), os.environ.get("LD_LIBRARY_PATH")]
    environment = {
        **os.environ,
        "PYTHONMALLOC": "malloc",
        "LD_LIBRARY_PATH": os.pathsep.join(filter(None, paths)),
    }
    failed = 0
    for command in commands():
        done = subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False
        )
        lines = done.stdout.strip().splitlines()
        what = Path(command[-1] if "pytest" in command else command[3]).name
        print(f"{what}: status {done.returncode}: {lines[-1] if lines else ''}", flush=True)
        if done.returncode:
            failed += 1
            print(done.stdout[-3000:], done.stderr[-6000:], sep="\n", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
