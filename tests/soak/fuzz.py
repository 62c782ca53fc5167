"""Runs the fuzz targets of rust/fuzz for a time, from their seeds and those of specs/models.json.

    python tests/soak/fuzz.py                              two minutes each, a part of make soak
    python tests/soak/fuzz.py --seconds 3600 environment   one, for an hour

The coverage that guides libFuzzer needs no nightly compiler. With one, AddressSanitizer watches
too. What is found stays in rust/fuzz/artifacts, and the corpus in rust/fuzz/corpus.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "parity"))
import mutants  # noqa: E402

FUZZ = ROOT / "rust" / "fuzz"
TARGETS = sorted(path.stem for path in (FUZZ / "fuzz_targets").glob("*.rs"))
# What cargo-fuzz gives the compiler.
COVERAGE = [
    *("--cfg fuzzing", "-Cpasses=sancov-module", "-Cllvm-args=-sanitizer-coverage-level=4"),
    *("-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",),
    *("-Cllvm-args=-sanitizer-coverage-pc-table", "-Cllvm-args=-sanitizer-coverage-trace-compares"),
]
# Of one input: seconds, and MB that are allocated at once and in all.
LIMITS = ["-timeout=30", "-malloc_limit_mb=2000", "-rss_limit_mb=4000"]


def has_nightly() -> bool:
    command = ["cargo", "+nightly", "--version"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def build(nightly: bool) -> Path:
    """The folder of the targets; CalledProcessError if they cannot be built."""
    host = subprocess.check_output(["rustc", "-vV"], text=True).split("host: ")[1].split()[0]
    flags = [*COVERAGE, *(["-Zsanitizer=address"] if nightly else [])]
    cargo = ["cargo", *(["+nightly"] if nightly else []), "build", "--quiet", "--release"]
    folder = FUZZ / "target" / ("address" if nightly else "plain")
    # Only with a target are the flags not those of build scripts too.
    where = ["--manifest-path", str(FUZZ / "Cargo.toml"), "--target", host]
    environment = {**os.environ, "RUSTFLAGS": " ".join(flags)}
    command = [*cargo, *where, "--target-dir", str(folder)]
    subprocess.run(command, env=environment, check=True, timeout=3600)
    return folder / host / "release"


def fuzz(program: Path, seconds: int) -> bool:
    """Whether the target held; libFuzzer's own words are shown where it did not."""
    name = program.name
    corpus, artifacts = FUZZ / "corpus" / name, FUZZ / "artifacts" / name
    for folder in (corpus, artifacts):
        folder.mkdir(parents=True, exist_ok=True)
    if name == "safetensors":
        for number, (_, _, content) in enumerate(mutants.corpus()):
            (corpus / f"corpus-{number}").write_bytes(content)
    seeds = FUZZ / "seeds" / name
    options = [f"-max_total_time={seconds}", f"-artifact_prefix={artifacts}/", *LIMITS]
    folders = [str(folder) for folder in (corpus, seeds) if folder.exists()]
    done = subprocess.run(
        [str(program), *options, *folders], stderr=subprocess.PIPE, check=False, cwd=FUZZ
    )
    said = done.stderr.decode(errors="replace")
    if done.returncode:
        print(said[-6000:], file=sys.stderr)
        print(f"{name}: status {done.returncode}; the input is in {artifacts}", file=sys.stderr)
        return False
    print(f"{name}: {said.rstrip().splitlines()[-1]}", flush=True)
    return True


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=120, help="of each target (120)")
    options = parser.parse_args()
    unknown = set(options.targets) - set(TARGETS)
    if unknown:
        parser.error(f"got {', '.join(sorted(unknown))}; the targets are {', '.join(TARGETS)}")
    if shutil.which("c++") is None:
        print("skipped: libFuzzer needs a C++ compiler, as c++")
        return 0
    nightly = has_nightly()
    folder = build(nightly)
    print("with AddressSanitizer" if nightly else "without AddressSanitizer: no nightly compiler")
    held = [fuzz(folder / name, options.seconds) for name in options.targets or TARGETS]
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
