"""The wheels of a release, into dist: python scripts/wheels.py

twisterl-core for this platform, which holds everything, and twisterl, which asks for it and for
PyTorch. On Linux, where zig is installed, the core is built for manylinux2014: it then runs on any
Linux of the last decade.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"


def main() -> None:
    options = ["--release", "--out", str(DIST)]
    if sys.platform == "linux" and importlib.util.find_spec("ziglang"):
        options += ["--zig", "--compatibility", "manylinux2014"]
    subprocess.run(["maturin", "build", *options], cwd=ROOT / "python", check=True)
    whole = ["--quiet", "--no-deps", "--wheel-dir", str(DIST), "."]
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *whole],
        cwd=ROOT,
        env={**os.environ, "TWISTERL_RELEASE": "1"},
        check=True,
    )


if __name__ == "__main__":
    main()
