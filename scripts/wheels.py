"""The wheels of a release for this platform, into dist: python scripts/wheels.py

twisterl and twisterl-core: the same files, one with PyTorch among its dependencies. On Linux, where
zig is installed, they are built for manylinux2014: they then run on any Linux of the last decade.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Calls of Python into the engine are faster when crates are optimized together, which takes long:
# once a release, not at every build.
TOGETHER = {"CARGO_PROFILE_RELEASE_LTO": "fat", "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "1"}


def main() -> None:
    options = ["--release", "--out", str(ROOT / "dist")]
    if sys.platform == "linux" and importlib.util.find_spec("ziglang"):
        options += ["--zig", "--compatibility", "manylinux2014"]
    environment = os.environ | TOGETHER
    for folder in (ROOT, ROOT / "python"):
        subprocess.run(["maturin", "build", *options], cwd=folder, env=environment, check=True)


if __name__ == "__main__":
    main()
