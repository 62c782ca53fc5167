"""Plants the faults of mutations.toml one by one and expects the parity check to name each.

    python tests/parity/mutate.py                every fault: make mutations
    python tests/parity/mutate.py --only 3 7     some, by their number
    python tests/parity/mutate.py --rotate 2     two that the date chooses among those of Python

Each fault is planted in a copy of the tree, the port that has it is built there, and compared with
the reference. A fault that parity does not reach names a `test` of Rust, which must fail. The
untouched copy must agree and pass first. Writes docs/mutations.md.
"""

from __future__ import annotations

import argparse
import datetime
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import compare
import tomllib
from port import ROOT
from ports import Port, PortError, read_list

LIST = Path(__file__).resolve().parent / "mutations.toml"
REPORT = ROOT / "docs" / "mutations.md"
# Faults show early; a board of these transitions takes a second.
TRANSITIONS = 2**15
# Quick to build, the same results: floating point in Rust does not depend on optimization.
PROFILE = {
    "CARGO_PROFILE_DEV_DEBUG": "0",
    "CARGO_PROFILE_RELEASE_LTO": "off",
    "CARGO_PROFILE_RELEASE_OPT_LEVEL": "1",
    "CARGO_PROFILE_RELEASE_DEBUG": "0",
    "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
    "CARGO_PROFILE_RELEASE_INCREMENTAL": "true",
    "PYO3_BUILD_EXTENSION_MODULE": "1",
    "PYO3_PYTHON": sys.executable,
}
BUILD_BINDINGS = "cargo build --quiet --release -p twisterl-extension"
EXTENSION = ("target/release/libtwisterl_extension.so", "python/twisterl/twisterl.abi3.so")


@dataclass(frozen=True)
class Mutation:
    port: str
    file: str
    find: str
    replace: str
    environment: str = "puzzle"
    test: str = ""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", type=int, nargs="+", metavar="N", help="numbers, from 0 on")
    parser.add_argument("--rotate", type=int, metavar="COUNT", help="some that need no build")
    options = parser.parse_args()
    mutations = [Mutation(**entry) for entry in tomllib.loads(LIST.read_text())["mutation"]]
    chosen = options.only or list(range(len(mutations)))
    if options.rotate:
        unbuilt = [i for i, m in enumerate(mutations) if m.port in ("reference", "torch")]
        day = datetime.date.today().toordinal() * options.rotate
        chosen = [unbuilt[(day + i) % len(unbuilt)] for i in range(options.rotate)]
    missed: list[int] = []
    caught: dict[Mutation, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        copy = Copy(Path(folder))
        for number in chosen:
            mutation = mutations[number]
            begin = time.monotonic()
            found = copy.plant(mutation)
            seconds = time.monotonic() - begin
            print(
                f"{number:3} {'caught' if found else 'MISSED'} {seconds:5.1f} s  {mutation.port} "
                f"{mutation.file}: {mutation.replace!r:.60}\n      {found}",
                flush=True,
            )
            if found:
                caught[mutation] = found
            else:
                missed.append(number)
    print(f"{len(chosen) - len(missed)} of {len(chosen)} caught, missed: {missed or 'none'}")
    if not options.rotate:
        write_report(mutations, caught)
    return 1 if missed else 0


class Copy:
    """A copy of the tree in which one fault at a time is planted."""

    def __init__(self, folder: Path) -> None:
        self.root = folder
        listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout
        for name in filter(None, names.decode().split("\0")):
            source, target = ROOT / name, folder / name
            if source.is_file() and not source.is_symlink():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
        for built in (ROOT / "python" / "twisterl").glob("twisterl.*"):
            shutil.copyfile(built, folder / "python" / "twisterl" / built.name)
        self._agreed: set[str] = set()

    def plant(self, mutation: Mutation) -> str | None:
        """The difference that the fault makes, None if there is none.

        Raises:
            PortError: the text is not in its file once, or the untouched copy differs already.
        """
        path = self.root / mutation.file
        original = path.read_text()
        if original.count(mutation.find) != 1:
            got = f"{original.count(mutation.find)} times"
            raise PortError(f"{mutation.file}: expected {mutation.find!r} once, got it {got}")
        judge = mutation.test or mutation.port
        if judge not in self._agreed:
            difference = self.difference(mutation)
            if difference:
                raise PortError(f"{judge}: differs without a fault: {difference}")
            self._agreed.add(judge)
        path.write_text(original.replace(mutation.find, mutation.replace))
        try:
            return self.difference(mutation)
        finally:
            path.write_text(original)

    def difference(self, mutation: Mutation) -> str | None:
        """The first difference between the port and the reference."""
        known = read_list()
        if mutation.test:
            return self.failure(self.moved(known[mutation.port]), mutation.test)
        judged = known["rust" if mutation.port == "reference" else mutation.port]
        faulty = {mutation.port: self.moved(known[mutation.port])}
        if mutation.port != "reference":
            self.build(faulty[mutation.port])
        elif mutation.port not in self._agreed:
            judged.prepare()
        ports = {"reference": known["reference"], judged.name: judged, **faulty}
        try:
            return self.first_difference(ports, mutation)
        except PortError as error:
            # A port that stops is no port that agrees.
            return f"stopped: {str(error).split('failed: ')[-1][:200]}"

    def failure(self, port: Port, test: str) -> str | None:
        """What the first test that fails says of those that `cargo test` with `test` runs."""
        target, *names = shlex.split(test)
        build = f"cargo test --quiet -p twisterl --no-run {target}"
        if target == "--test":
            build, target, names = f"{build} {names[0]}", f"{target} {names[0]}", names[1:]
        port = replace(port, variables={**port.variables, **PROFILE})
        replace(port, build=build).prepare()
        run = f"cargo test --quiet -p twisterl {target} -- --nocapture {shlex.join(names)}"
        try:
            replace(port, build=run).prepare()
        except PortError as error:
            said = re.search(r"thread '([^']+)'.* panicked at (\S+):\n(.*)", str(error))
            return ", ".join(said.groups()) if said else str(error)[-200:]
        return None

    def moved(self, port: Port) -> Port:
        return replace(port, root=self.root, variables={"CARGO_TERM_COLOR": "never"})

    def build(self, port: Port) -> None:
        command = BUILD_BINDINGS if port.name == "bindings" else port.build
        if not command:
            return
        replace(port, build=command, variables={**port.variables, **PROFILE}).prepare()
        if port.name == "bindings":
            built, imported = (self.root / name for name in EXTENSION)
            # A new file, because the old one may be mapped by a process that still runs.
            shutil.copyfile(built, imported.with_suffix(".new"))
            os.replace(imported.with_suffix(".new"), imported)

    def first_difference(self, ports: dict[str, Port], mutation: Mutation) -> str | None:
        with tempfile.TemporaryDirectory() as folder:
            boards = compare.boards([mutation.environment])
            for check in compare.checks(ports, boards, TRANSITIONS, Path(folder)):
                _, found = check()
                if found:
                    return found[0].what
            return None


def commit() -> str:
    """The short name of the commit that was tested."""
    asked = ["git", "rev-parse", "--short", "HEAD"]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def row(mutation: Mutation) -> str:
    change = f"`{mutation.file}`: `{escaped(mutation.find)}` → `{escaped(mutation.replace)}`"
    return f"| {mutation.port} | {change} |"


def escaped(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def write_report(mutations: list[Mutation], caught: dict[Mutation, str]) -> None:
    """What was caught now, and earlier where a fault was not planted now."""
    before = REPORT.read_text().splitlines() if REPORT.exists() else []
    lines = []
    for mutation in mutations:
        known = [line for line in before if line.startswith(row(mutation))]
        new = [f"{row(mutation)} {escaped(caught[mutation])} |"] if mutation in caught else known
        lines += new[:1]
    about = (
        "# Planted faults\n\n"
        "Written by `make mutations`: what the parity check, or where it does not reach a test of\n"
        "Rust, says first about each fault of `tests/parity/mutations.toml`. It has caught\n"
        f"{len(lines)} of {len(mutations)}, the last time at commit {commit()}.\n\n"
    )
    head = "| port | fault | first difference |\n| --- | --- | --- |\n"
    REPORT.write_text(about + head + "\n".join(lines) + "\n")
    print(f"{REPORT.relative_to(ROOT)} written")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except PortError as error:
        sys.exit(str(error))
