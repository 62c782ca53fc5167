"""The wheels of a release for this platform, into dist: python scripts/wheels.py

twisterl and twisterl-core: the same files, one with PyTorch among its dependencies. On Linux, where
zig is installed, they are built for manylinux2014: they then run on any Linux of the last decade.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    options = ["--release", "--out", str(ROOT / "dist")]
    if sys.platform == "linux" and importlib.util.find_spec("ziglang"):
        options += ["--zig", "--compatibility", "manylinux2014"]
    for folder in (ROOT, ROOT / "python"):
        subprocess.run(["maturin", "build", *options], cwd=folder, check=True)


if __name__ == "__main__":
    main()
