"""What the documents say is so: snippets run, commands and files exist."""

import contextlib
import functools
import io
import itertools
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import tomllib
from twisterl import cli

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import dev  # noqa: E402

DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
)
PROGRAMS = ("cargo", "make", "pip", "pixi", "python", "twisterl", ".venv/bin/")


def document(path):
    return str(path.relative_to(ROOT))


def blocks(path, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL)


def commands(path):
    """The command lines of shell blocks, and inline code that starts with a program."""
    prose = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    inline = [code.replace("\n", " ") for code in re.findall(r"`([^`]+)`", prose)]
    found = [code for code in inline if re.match(r"(make|cargo|pip|pixi|twisterl) \S", code)]
    found += [code for code in inline if re.match(r"(python|twisterl) -", code)]
    for block in blocks(path, "sh"):
        found += block.replace("\\\n", " ").splitlines()
    return [line for line in found if line.split("#")[0].strip()]


@functools.cache
def help_of(module, *arguments):
    if module == "twisterl.cli":
        said = io.StringIO()
        with contextlib.redirect_stdout(said), pytest.raises(SystemExit) as ended:
            cli.main([*arguments, "--help"])
        assert ended.value.code == 0
        return said.getvalue()
    result = subprocess.run(
        [sys.executable, "-m", module, "--help"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("path", [p for p in DOCUMENTS if blocks(p, "python")], ids=document)
def test_python_snippets_run(path, tmp_path, monkeypatch):
    pytest.importorskip("torch")
    script = tmp_path / "snippets.py"
    script.write_text("\n".join(blocks(path, "python")))
    monkeypatch.chdir(tmp_path)
    # In this process, as a program: torch is imported once.
    runpy.run_path(str(script), run_name="__main__")


@pytest.mark.parametrize(
    ("path", "command"),
    [(path, command) for path in DOCUMENTS for command in commands(path)],
    ids=lambda value: document(value) if isinstance(value, Path) else value,
)
def test_command_exists(path, command):
    words = shlex.split(command, comments=True)
    program, arguments = words[0], words[1:]
    if program == "make":
        assert arguments[0] in {*dev.TASKS, "help"}
    elif program == "pixi":
        tasks = [name for f in pixi()["feature"].values() for name in f.get("tasks", {})]
        assert arguments[0] == "run" and arguments[1] in tasks
    elif program == "cargo":
        crate = tomllib.loads((ROOT / "rust" / "Cargo.toml").read_text())
        for option, name in itertools.pairwise(arguments):
            if option == "--bin":
                assert name in [target["name"] for target in crate["bin"]]
    elif program == "pip":
        assert arguments[0] == "install"
        for target in arguments[1:]:
            assert target.startswith("-") or any(
                (ROOT / target / name).exists() for name in ("pyproject.toml", "setup.py")
            ), target
    elif program == "twisterl" or arguments[:1] == ["-m"]:
        module = ["twisterl.cli"] if program == "twisterl" else [arguments.pop(0), arguments.pop(0)]
        check_call(module[-1], arguments)
    elif program in ("python", "python3"):
        assert (ROOT / arguments[0]).exists(), command
        if arguments[0] == "scripts/dev.py":
            assert arguments[1] in dev.TASKS
    else:
        assert program.startswith(".venv/bin/"), f"{document(path)}: what is {program}?"


def check_call(module, arguments):
    """Options are in the help, files are there or are made by the commands before."""
    if module.split(".")[0] != "twisterl":
        return
    command = [module]
    if module == "twisterl.cli":
        command.append(arguments.pop(0))
    text = help_of(*command)
    for argument in arguments:
        option = re.match(r"--[\w-]+", argument)
        if option and argument != "--help":
            assert re.search(rf"{option[0]}\b", text), argument
        elif argument.startswith("examples/"):
            assert (ROOT / argument).exists(), argument


@functools.cache
def pixi():
    return tomllib.loads((ROOT / "pixi.toml").read_text())


# Of every page that is committed; folders with a dot and what is built are somebody else's.
PAGES = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not any(part[0] == "." or part == "target" for part in path.relative_to(ROOT).parts)
)


def prose(path):
    """The page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(path):
    """What a link may name behind #, as GitHub makes it of the headings."""
    heads = re.findall(r"^#+ (.*)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head).strip().lower().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("path", PAGES, ids=document)
def test_links_lead_somewhere(path):
    text = re.sub(r"`[^`\n]*`", "", prose(path))
    links = re.findall(r"\]\(\s*([^)\s]+)[^)]*\)", text)
    links += re.findall(r"^\[[^\]]+\]:\s*(\S+)", text, re.MULTILINE)
    links += re.findall(r"""(?:href|src)=["']([^"']+)""", text)
    for link in links:
        if re.match(r"\w+:", link):
            continue
        target, _, anchor = link.partition("#")
        found = path.parent / target if target else path
        assert found.exists(), link
        assert not anchor or anchor in anchors(found), link


@pytest.mark.parametrize("path", DOCUMENTS, ids=document)
def test_paths_lead_somewhere(path):
    for target in re.findall(
        r"`((?:rust|python|tests|specs|docs|examples|scripts)/[^`\s<*]+)`", prose(path)
    ):
        file = target.partition("::")[0]
        assert (ROOT / file).exists() or (path.parent / file).exists(), target


def test_documents_name_no_machine():
    for path in [*DOCUMENTS, *(ROOT / "examples").rglob("*.ipynb")]:
        assert not re.search(r"/(root|home|work|Users|tmp)/\w", path.read_text()), path
