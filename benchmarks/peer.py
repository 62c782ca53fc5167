"""The peer, twisterl 0.5.1, in a virtual environment of its own.

    python benchmarks/peer.py      makes benchmarks/.venv-peer and prints its interpreter

torch and numpy of the running interpreter are used where there are any, so that both sides run on
the same ones and nothing large is downloaded twice.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import venv
from pathlib import Path

VERSION = "0.5.1"
FOLDER = Path(__file__).resolve().parent / ".venv-peer"
PYTHON = FOLDER / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
# What 0.5.1 imports beside torch and numpy. It asks for an old huggingface-hub.
NEEDS = ["huggingface-hub>=0.34,<0.35", "loguru", "safetensors", "tensorboard"]
SAME_ON_BOTH_SIDES = ("numpy", "torch")
CHECK = f"""
import importlib.metadata, pathlib, sys, torch, twisterl.rl, twisterl.twisterl
assert importlib.metadata.version("twisterl") == "{VERSION}"
assert pathlib.Path(twisterl.__file__).is_relative_to(sys.prefix), twisterl.__file__
"""


class PeerUnavailable(RuntimeError):
    """The peer cannot be installed or run here; the text says why."""


def ensure() -> Path:
    """The interpreter of the peer's environment, which is made if it is not there.

    Raises:
        PeerUnavailable: with the last lines of what failed.
    """
    if PYTHON.exists() and _run([str(PYTHON), "-c", CHECK]) is None:
        return PYTHON
    venv.create(FOLDER, clear=True, with_pip=True)
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _require([*pip, "--no-deps", f"twisterl=={VERSION}"])
    borrowed = _borrow()
    _require([*pip, *NEEDS, *(name for name in SAME_ON_BOTH_SIDES if name not in borrowed)])
    _require([str(PYTHON), "-c", CHECK])
    return PYTHON


def _borrow() -> list[str]:
    """Makes torch and numpy of this interpreter importable there; their names."""
    found = {name: importlib.util.find_spec(name) for name in SAME_ON_BOTH_SIDES}
    if not all(spec and spec.origin for spec in found.values()):
        return []
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = subprocess.check_output([str(PYTHON), "-c", code], text=True).strip()
    homes = dict.fromkeys(str(Path(str(spec.origin)).parents[1]) for spec in found.values() if spec)
    # A .pth file comes after the environment's own packages, so its twisterl is the peer's.
    (Path(packages) / "borrowed.pth").write_text("\n".join(homes) + "\n")
    return list(found)


def _require(command: list[str]) -> None:
    problem = _run(command)
    if problem is not None:
        raise PeerUnavailable(f"twisterl {VERSION} is not available here: {problem}")


def _run(command: list[str]) -> str | None:
    """None if `command` succeeds, else the end of what it said."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(command, env=clean, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else (done.stderr or done.stdout).strip()[-400:]


if __name__ == "__main__":
    try:
        print(ensure())
    except PeerUnavailable as error:
        sys.exit(str(error))
