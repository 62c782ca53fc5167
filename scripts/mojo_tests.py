"""The tests of the Mojo port: python scripts/mojo_tests.py

They, the trainer and the port's part of the parity check share most of their code, so that they
are compiled as one program, mojo/test/all.mojo, which does what its name says. With --build it is
built, when its sources have changed, and not run.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "target" / "mojo"
NAMES = ("all", "train_puzzle", "parity")
BUILD = "mojo build -I mojo -I mojo/test mojo/test/all.mojo -o".split()


def built(name: str) -> Path:
    """The program `name` of `NAMES`; raises CalledProcessError."""
    stamp = FOLDER / "stamp"
    digest = _digest_of_sources()
    if not stamp.exists() or stamp.read_text() != digest:
        FOLDER.mkdir(parents=True, exist_ok=True)
        program = FOLDER / f"building-{os.getpid()}"
        subprocess.run([*BUILD, str(program)], cwd=ROOT, check=True)
        for other in NAMES[1:]:
            link = FOLDER / f"{program.name}-{other}"
            os.link(program, link)
            os.replace(link, FOLDER / other)
        os.replace(program, FOLDER / NAMES[0])
        stamp.write_text(digest)
    return FOLDER / name


def _digest_of_sources() -> str:
    digest = hashlib.sha256()
    # The version of the compiler is in the first.
    for path in [ROOT / "requirements" / "mojo.txt", *sorted((ROOT / "mojo").rglob("*.mojo"))]:
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def main() -> int:
    try:
        program = built("all")
        return 0 if "--build" in sys.argv else subprocess.run([program], cwd=ROOT).returncode
    except subprocess.CalledProcessError as error:
        return error.returncode or 1


if __name__ == "__main__":
    sys.exit(main())
