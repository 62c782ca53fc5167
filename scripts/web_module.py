"""Builds the WebAssembly module, rust/web, into the package: what `twisterl web` needs.

It needs the target: rustup target add wasm32-unknown-unknown. With --if-possible nothing is built
where the target is not there, and the exit status is 0.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = "wasm32-unknown-unknown"
# Loops as fast as they can be, in a small module: calls that are not marked so are inlined less.
FLAGS = "-C target-feature=+simd128 -C llvm-args=-inline-threshold=20"
PLACE = ROOT / "python" / "twisterl" / "web" / "engine.wasm"


def is_target_installed() -> bool:
    if not shutil.which("cargo"):
        return False
    command = ["rustc", "--print", "target-libdir", "--target", TARGET]
    found = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    return found.returncode == 0 and Path(found.stdout.strip()).exists()


def build(flags: str = "", parity: bool = False) -> Path:
    """The module's file, built, or that of the one which answers the parity check; raises
    CalledProcessError.
    """
    command = ["cargo", "build", "-p", "twisterl-web", "--profile", "web", "--target", TARGET]
    command += ["--quiet", *(["--example", "parity"] if parity else ["--lib"])]
    environment = dict(os.environ, RUSTFLAGS=f"{FLAGS} {flags}".strip())
    subprocess.run(command, check=True, cwd=ROOT, env=environment)
    folder = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / TARGET / "web"
    return folder / ("examples/parity.wasm" if parity else "twisterl_web.wasm")


def main() -> int:
    if not is_target_installed():
        print(f"the WebAssembly module is not built: rustup target add {TARGET}", file=sys.stderr)
        return 0 if "--if-possible" in sys.argv else 1
    try:
        shutil.copyfile(build(), PLACE)
    except subprocess.CalledProcessError as error:
        return error.returncode or 1
    print(f"{PLACE}: {PLACE.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
