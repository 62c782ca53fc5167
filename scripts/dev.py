"""The project's commands: python scripts/dev.py TASK.

`make` calls this file, so the same steps work where there is no make. It needs Python and
Rust, no package: it owns .venv, installs the pinned requirements and builds the extension,
each only when what it depends on has changed.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import glob
import hashlib
import importlib.util
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterable
from pathlib import Path

import beside
import installing
from tasks import (
    CHECK,
    COMPILING,
    MOJO_PLATFORMS,
    MOJO_TESTS,
    MORE,
    PURPOSES,
    PYTEST,
    RUST_TESTS,
    TASKS,
    TESTING,
    USING_TORCH,
)

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
OLDEST_PYTHON = (3, 11)
TORCH = "torch==2.13.0"
OLDEST_TORCH = (2, 6)
CUDA_NOTICE = f"""{TORCH} for Linux brings the CUDA libraries unless pip finds a CPU build:
2 to 3 GB to download, 5 GB on disk. For the CPU alone (0.2 GB), stop and run
  make build TORCH_ARGS="{TORCH} --index-url https://download.pytorch.org/whl/cpu\""""
NEED_OF_TORCH = """
from twisterl.config.build import need_of_torch
from twisterl.config.json import read_json
from twisterl.config.validation import check_run

def tell(config):
    need = need_of_torch(check_run(read_json(config)))
    print("" if need is None else need[0])
"""
REQUIREMENTS = ROOT / "requirements"
BORROWED = VENV / "torch.borrowed"


def main() -> int:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A path may have letters that the terminal's encoding lacks.
            stream.reconfigure(errors="backslashreplace")
    tasks = "\n".join(f"  {name:<15} {purpose}" for name, purpose in PURPOSES.items())
    parser = argparse.ArgumentParser(
        prog="python scripts/dev.py",
        usage="make TASK, or: python scripts/dev.py TASK",
        description="The tasks; each sets up what it needs, and only what has changed:\n\n" + tasks,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("task", choices=TASKS, metavar="TASK", help="one of the above")
    task = parser.parse_args().task
    if task == "doctor":
        return doctor()
    try:
        if task == "test":
            # One more than there are processors: tests that wait for something leave one idle.
            beside.run(test_jobs(), 1 + (os.cpu_count() or 1))
            return 0
        if task.endswith("-mojo"):
            make_venv()
            install_pins("mojo")
        else:
            more = ["test", "mojo"] if task in TESTING else MORE.get(task, [])
            set_up(["run", *more], task in USING_TORCH, with_extension=task not in COMPILING)
        commands = list(map(shlex.split, TASKS[task]))
        if task == "train":
            bring_what_is_trained_by(commands[0])
        for command in commands:
            run(command)
    except subprocess.CalledProcessError as error:
        print(f"\nfailed ({error.returncode}): {shown(error.cmd)}", file=sys.stderr)
        return error.returncode if 0 < error.returncode < 256 else 1
    except KeyboardInterrupt:
        return 130
    return 0


def run(command: list[str]) -> None:
    """Runs `command` at the root inside .venv; raises CalledProcessError when it fails."""
    say(f"+ {shown(command)}")
    begin = time.monotonic()
    child = subprocess.Popen(found(command), cwd=ROOT, env=environment())
    while True:
        try:
            code = child.wait()
            break
        except KeyboardInterrupt:
            continue  # The child got the same signal and ends by itself, saving its work.
    if code:
        raise subprocess.CalledProcessError(code, command)
    if not is_watched():
        say(f"# {time.monotonic() - begin:.0f} s: {shown(command)}")


def run_apart(command: list[str]) -> None:
    """As `run`, but what the command prints comes in one piece when it has ended."""
    say(f"+ {shown(command)}")
    begin = time.monotonic()
    done = subprocess.run(
        found(command),
        cwd=ROOT,
        env=environment(command[0]),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    say(f"{done.stdout}# {time.monotonic() - begin:.0f} s: {shown(command)}")
    done.check_returncode()


def found(command: list[str]) -> list[str]:
    """`command` with its program where .venv has it."""
    return [shutil.which(command[0], path=environment()["PATH"]) or command[0], *command[1:]]


def say(text: str) -> None:
    """Prints a line; nobody reading does not end the work."""
    with contextlib.suppress(OSError):
        print(text, flush=True)


def shown(command: Iterable[object]) -> str:
    """`command` quoted as this system's shell reads it."""
    words = list(map(str, command))
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def is_watched() -> bool:
    """Whether somebody looks on, who wants to see progress; a log wants to be short."""
    return sys.stdout is not None and sys.stdout.isatty() and os.environ.get("CI") != "true"


def install(*arguments: str) -> None:
    """Installs packages into .venv; raises CalledProcessError when it fails."""
    say(f"+ {shown([PYTHON, '-m', 'pip', 'install', *arguments])}")
    installing.install(str(PYTHON), arguments, environment(), watched=is_watched())


def test_jobs() -> list[beside.Job]:
    """The commands of `test` and what they need; the ones that others wait for come first.

    Rust is linted and tested while packages are downloaded: it needs an interpreter alone.
    """
    require_programs()
    make_venv()
    names = ["run", "test", "mojo"]
    jobs = [
        beside.Job("compiler", lambda: install_pins("build")),
        beside.Job("extension", build_extension, ("compiler",)),
        beside.Job("torch", install_torch, ("compiler",)),
        beside.Job("packages", lambda: install_packages(names, False), ("torch",)),
    ]
    jobs.append(beside.Job("programs", wait_for_programs, ("extension",)))
    # With pixi, where Mojo is an environment of its own, the test has no Mojo.
    mojo = MOJO_TESTS if sys.platform in MOJO_PLATFORMS else []
    # What the tests of Python need; those of Mojo build what some of them run.
    ready = ("extension", "packages", "programs", *mojo)
    first, *others = shares()
    rust = "extension"
    for command in [*mojo, *TASKS["test"]]:
        if command.startswith("cargo fmt"):
            needs: tuple[str, ...] = ()
        elif command.startswith("cargo"):
            # Two would wait for the same folder.
            needs = (rust,)
            rust = command
        elif command in CHECK or command in MOJO_TESTS:
            needs = ("packages",)
        elif command == PYTEST:
            command, needs = first, ready
        else:
            # The tests of Rust build what the parity check runs.
            needs = (*ready, RUST_TESTS)
        jobs.append(job_of(command, needs))
    # Last, because all of them end together whenever they begin.
    return [*jobs, *(job_of(share, ready) for share in others)]


def job_of(command: str, needs: tuple[str, ...]) -> beside.Job:
    return beside.Job(command, functools.partial(run_apart, shlex.split(command)), needs)


def shares() -> list[str]:
    """Commands that are `PYTEST` together, one for each processor."""
    begun = VENV / "begun"
    shutil.rmtree(begun, ignore_errors=True)
    begun.mkdir()
    folder = begun.relative_to(ROOT).as_posix()
    return [f"python tests/share.py {folder} {n}" for n in range(1, 1 + (os.cpu_count() or 1))]


def environment(program: str = "") -> dict[str, str]:
    """The environment of every command: .venv first, and libpython where Rust tests find it."""
    found = dict(os.environ, VIRTUAL_ENV=str(VENV), PYO3_PYTHON=str(PYTHON))
    found |= {"PIP_QUIET": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    # Commands that are printed must be found by the user's shell, not by ours.
    found.setdefault("TWISTERL_PATH", found.get("PATH", ""))
    found["PATH"] = os.pathsep.join([str(BIN), found.get("PATH", "")])
    place, name = map(sysconfig.get_config_var, ("LIBDIR", "LDLIBRARY"))
    library = Path(place or "", name or "")
    if sys.platform == "linux" and library.suffix == ".so" and library.exists():
        paths = [str(library.parent), found.get("LD_LIBRARY_PATH", "")]
        found["LD_LIBRARY_PATH"] = os.pathsep.join(filter(None, paths))
        # As maturin sets them: what it compiles is not compiled again for programs and tests, which
        # rust/build.rs links with the library.
        found["PYO3_BUILD_EXTENSION_MODULE"] = "1"
        version = ".".join(map(str, sys.version_info[:2]))
        target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
        # By pip maturin compiles, which writes that file.
        if program != "pip":
            for file in target.glob(f"maturin/pyo3-config-*-{version}-abi3.txt"):
                found["PYO3_CONFIG_FILE"] = str(file)
        found["RUSTDOCFLAGS"] = f"-Clink-arg={library}"
    found.pop("PYTHONHOME", None)
    found["MODULAR_TELEMETRY_ENABLED"] = "0"
    return found


# Set-up: each step leaves a stamp that names what it was made from.


def set_up(requirements: list[str], with_torch: bool, with_extension: bool) -> None:
    """What is downloaded comes beside the compilation, which needs a compiler alone."""
    require_programs()
    make_venv()
    jobs = [
        beside.Job("compiler", lambda: install_pins("build")),
        beside.Job("packages", lambda: install_packages(requirements, with_torch), ("compiler",)),
    ]
    if with_extension:
        jobs.insert(1, beside.Job("extension", build_extension, ("compiler",)))
    beside.run(jobs, 2)


def require_programs() -> None:
    problems = [fix for is_there, _, fix in needs() if not is_there]
    if problems:
        sys.exit("\n".join(f"missing: {fix}" for fix in problems))


def make_venv() -> None:
    if not PYTHON.exists():
        run([sys.executable, "-m", "venv", str(VENV)])


def wait_for_programs() -> None:
    """Until the process `INSTALLING`, by which .ci/run installs what only tests need, has ended."""
    process = os.environ.get("INSTALLING")
    while process and Path("/proc", process).exists():
        time.sleep(0.5)


def install_packages(requirements: list[str], with_torch: bool = True) -> None:
    """What the files of requirements list, and torch where it is needed or was asked for."""
    if with_torch or os.environ.get("TORCH_ARGS"):
        install_torch()
    for name in requirements:
        install_pins(name)


def install_pins(name: str) -> None:
    pins = REQUIREMENTS / f"{name}.txt"
    with Stamp(f"requirements-{name}", [pins]) as stamp:
        if stamp.is_stale:
            say(what_is_installed(pins))
            # Where torch is borrowed its neighbours are seen too, but not their commands.
            options = ["--force-reinstall"] if BORROWED.exists() else []
            # The others name all that they bring, but for torch and what is there with it.
            options += ["--no-deps"] if name != "mojo" else []
            install(*options, "-r", str(pins))


def build_extension() -> None:
    with Stamp("extension", rust_sources()) as stamp:
        if stamp.is_stale or not extension():
            say("The engine is compiled: one to two minutes.")
            # `maturin develop` would first install what twisterl needs, in the newest versions and
            # beside the pinned ones, and compile nothing meanwhile.
            options = ["--no-deps", "--no-build-isolation", "--no-compile"]
            run_apart(["pip", "install", *options, "--editable", "./python"])


def what_is_installed(pins: Path) -> str:
    """What a file of requirements says of itself at its top, its size included."""
    lines = pins.read_text(encoding="utf-8").splitlines()
    return "\n".join(line.lstrip("# ") for line in lines if line.startswith("#"))


class Stamp:
    """Says whether a step is stale; written when the step inside the `with` block succeeds."""

    def __init__(self, name: str, inputs: Iterable[Path]) -> None:
        self._path = VENV / f"{name}.stamp"
        digest = hashlib.sha256(repr(sys.version_info[:2]).encode())
        for path in sorted(inputs):
            digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
        self._digest = digest.hexdigest()
        self.is_stale = not self._path.exists() or self._path.read_text() != self._digest

    def __enter__(self) -> Stamp:
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        if kind is None and self.is_stale:
            self._path.write_text(self._digest)


def rust_sources() -> list[Path]:
    names = ("Cargo.toml", "Cargo.lock", "python/pyproject.toml", "specs/config.schema.json")
    files = [ROOT / name for name in names]
    folders = (ROOT / "rust" / "src", ROOT / "rust" / "extension")
    found = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return [*files, ROOT / "rust" / "Cargo.toml", ROOT / "rust" / "build.rs", *found]


def extension() -> list[str]:
    return glob.glob(str(ROOT / "python" / "twisterl" / "twisterl.*"))


# Torch: a working one is kept; its size is said before it is downloaded.


def bring_what_is_trained_by(command: list[str]) -> None:
    """Installs torch where the config of a training command asks for it, and says what does."""
    config = command[command.index("--config") + 1]
    deciding = (ROOT / "python" / "twisterl").rglob("*.py")
    with Stamp("needs-of-training", [ROOT / config, *deciding]) as stamp:
        if not stamp.is_stale:
            return
        told = output(str(PYTHON), "-c", f"{NEED_OF_TORCH}\ntell({config!r})")
        if told and torch_version(PYTHON) is None:
            say(f"{config}: {told} needs PyTorch")
            install_torch()


def install_torch() -> None:
    chosen = os.environ.get("TORCH_ARGS", "")
    stamp = VENV / "torch.stamp"
    if stamp.exists() and chosen in ("", stamp.read_text()):
        return
    if chosen or not (torch_version(PYTHON) or borrow_torch()):
        if not chosen and sys.platform == "linux" and platform.machine() == "x86_64":
            say(CUDA_NOTICE)
        install(*shlex.split(chosen or TORCH))
    stamp.write_text(chosen)


def borrow_torch() -> bool:
    """Makes the torch of the interpreter that runs this file importable in .venv, if it has one."""
    found = torch_version(Path(sys.executable))
    if not found or tuple(map(int, found[0].split(".")[:2])) < OLDEST_TORCH:
        return False
    say(f"using torch {found[0]} of {sys.executable}")
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = subprocess.check_output([str(PYTHON), "-c", code], text=True).strip()
    (Path(packages) / "borrowed_torch.pth").write_text(found[1] + "\n")
    BORROWED.write_text(found[1])
    return True


def torch_version(python: Path) -> tuple[str, str] | None:
    """(version, folder) of the torch that `python` imports, None without a working one."""
    code = (
        "import os, torch; print(torch.__version__, os.path.dirname(torch.__path__[0]), sep='\\n')"
    )
    told = output(str(python), "-c", code).splitlines()
    return (told[-2], told[-1]) if told else None


# Doctor.

Need = tuple[bool, str, str]


def needs() -> list[Need]:
    """What set-up cannot install by itself: (found, what it is, how to get it)."""
    rust = output("rustc", "--version")
    rust_version = tuple(map(int, re.findall(r"\d+", rust)[:2]))
    cargo = (ROOT / "Cargo.toml").read_text(encoding="utf-8")
    oldest_rust = re.findall(r'^rust-version = "(.*)"$', cargo, re.MULTILINE)[0]
    oldest = ".".join(map(str, OLDEST_PYTHON))
    here = f"Python {platform.python_version()} at {sys.executable}"
    compilers = ("cc", "gcc", "clang", "link", "cl")
    room = shutil.disk_usage(ROOT).free / 1e9
    return [
        (
            sys.version_info >= OLDEST_PYTHON,
            here,
            f"Python {oldest} or newer; name it by make PYTHON=python{oldest} ...",
        ),
        (
            importlib.util.find_spec("ensurepip") is not None,
            "venv and pip for it",
            "Debian and Ubuntu: apt install python3-venv",
        ),
        (
            rust_version >= tuple(map(int, oldest_rust.split("."))),
            rust or "Rust",
            f"Rust {oldest_rust} or newer: https://rustup.rs, or rustup update",
        ),
        (bool(shutil.which("cargo")), "cargo", "https://rustup.rs"),
        (
            any(map(shutil.which, compilers)),
            "a linker for Rust",
            "apt install gcc; xcode-select --install; or the Visual Studio build tools",
        ),
        (
            PYTHON.exists() or room > 2,
            f"{room:.0f} GB of free disk",
            "2 GB of disk (8 GB if torch comes with CUDA)",
        ),
    ]


def doctor() -> int:
    """Says what is there, what is to come and what is missing; 1 if the user must act."""
    checks = needs()
    torch = torch_version(PYTHON)
    for tool, component in (("cargo-fmt", "rustfmt"), ("cargo-clippy", "clippy")):
        checks.append((bool(shutil.which(tool)), component, f"rustup component add {component}"))
    installed = [
        (PYTHON.exists(), ".venv"),
        (torch is not None, f"torch {torch[0]}" if torch else "torch in .venv"),
        (bool(extension()), "the compiled extension"),
        (bool(output(str(PYTHON), "-c", "import twisterl; print(1)")), "import twisterl"),
    ]
    for found, what, fix in checks:
        print(f"ok       {what}" if found else f"missing  {what}\n         fix: {fix}")
    for found, what in installed:
        # Where nothing asks for torch, make train does without.
        by = "make test" if what.startswith("torch") else "make train or make build"
        print(f"ok       {what}" if found else f"to come  {what}: {by} installs it")
    return 0 if all(found for found, _, _ in checks) else 1


def output(*command: str) -> str:
    """What `command` prints, empty when it fails or is not there."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


if __name__ == "__main__":
    sys.exit(main())
