"""Builds the documentation site into target/site/html: python scripts/docs.py

The pages are those of the repository. Generated beside them, in target/site/generated: notebooks,
what `mojo doc` says, and the gallery, for which some presets are trained in a few seconds each.

--only-pages leaves out the gallery's runs and `cargo doc`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "target" / "site"
GENERATED, HTML, RUNS = SITE / "generated", SITE / "html", SITE / "runs"
NOTEBOOKS = ("puzzle", "alphazero", "own_environment", "circuit_synthesis")
# Of the gallery: what is trained, and how it is called.
SHOWN = {
    "puzzle8_walks": "The 8-puzzle",
    "lights_out": "Lights Out",
    "cube2": "Rubik's 2x2x2 cube",
    "permutation": "Permutation routing",
}


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--only-pages"]):
        print(__doc__, file=sys.stderr)
        return 2
    GENERATED.mkdir(parents=True, exist_ok=True)
    for name in NOTEBOOKS:
        notebook = json.loads((ROOT / "examples" / f"{name}.ipynb").read_text("utf-8"))
        write(f"{name}.md", "\n".join(cells(notebook, f"{name}.ipynb")))
    write("mojo.md", "\n".join(mojo_page()))
    write("gallery.md", gallery({} if arguments else {name: make(name) for name in SHOWN}))
    options = ["-q", "-b", "html", "-c", str(ROOT / "docs" / "site")]
    subprocess.run([sys.executable, "-m", "sphinx", *options, str(ROOT), str(HTML)], check=True)
    if not arguments:
        command = ["cargo", "doc", "--no-deps", "-p", "twisterl"]
        subprocess.run(command, cwd=ROOT, check=True)
        shutil.copytree(ROOT / "target" / "doc", HTML / "rust", dirs_exist_ok=True)
    start = '<meta http-equiv="refresh" content="0; url=docs/site/index.html">\n'
    (HTML / "index.html").write_text(f"<!doctype html>\n{start}", encoding="utf-8")
    print(f"{HTML / 'index.html'}: open it in a browser")
    return 0


def write(name: str, text: str) -> None:
    """A page; one that is the same stays, so that Sphinx need not read it again."""
    path = GENERATED / name
    if not path.is_file() or path.read_text("utf-8") != text:
        path.write_text(text, encoding="utf-8")


def cells(notebook: dict[str, Any], name: str) -> Iterator[str]:
    """A notebook as a page; outputs are not committed, so there are none."""
    for number, cell in enumerate(notebook["cells"]):
        text = "".join(cell["source"])
        yield text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```"
        yield ""
        if number == 0:
            yield f"The notebook is `examples/{name}`; a test runs it.\n"


def mojo_page() -> Iterator[str]:
    """What `mojo doc` says of the port."""
    yield "# Mojo\n"
    yield "From the docstrings of the port in `mojo/twisterl`, which trains a sliding puzzle.\n"
    if shutil.which("mojo") is None:
        yield "Mojo was not installed where this site was built."
        return
    path = SITE / "mojo.json"
    subprocess.run(["mojo", "doc", "-o", str(path), "mojo/twisterl"], cwd=ROOT, check=True)
    for module in json.loads(path.read_text("utf-8"))["decl"]["modules"]:
        yield from mojo_module(module)


def mojo_module(module: dict[str, Any]) -> Iterator[str]:
    if module["name"] == "__init__":
        return
    yield f"## {module['name']}\n\n{said(module)}\n"
    for alias in module.get("aliases") or []:
        yield f"`{alias['name']}` = `{alias['value']}`\n: {said(alias)}\n"
    for struct in module.get("structs") or []:
        yield f"### struct {struct['name']}\n\n{said(struct)}\n"
        for field in struct.get("fields") or []:
            yield f"- `{field['name']}: {field['type']}` {said(field)}"
        yield ""
        for function in struct.get("functions") or []:
            yield from mojo_function(function, 4)
    for function in module.get("functions") or []:
        yield from mojo_function(function, 3)


def mojo_function(function: dict[str, Any], depth: int) -> Iterator[str]:
    yield f"{'#' * depth} {function['name']}\n"
    for overload in function["overloads"]:
        yield f"```mojo\n{overload['signature']}\n```\n\n{said(overload)}\n"
        for argument in overload.get("args") or []:
            if argument.get("description"):
                yield f"- `{argument['name']}`: {argument['description']}"
        told = (overload.get("returns") or {}).get("doc")
        if told:
            yield f"- returns: {told.strip()}"
        if overload.get("raisesDoc"):
            yield f"- raises: {overload['raisesDoc'].strip()}"
        yield ""


def said(declaration: dict[str, Any]) -> str:
    parts = (declaration.get("summary"), declaration.get("description"))
    return "\n\n".join(part.strip() for part in parts if part)


def make(name: str) -> bool:
    """Trains a preset and makes its pages; whether there is one to play, which needs the engine."""
    command = [sys.executable, "-m", "twisterl"]
    run, pages = RUNS / name, HTML / "pages"
    pages.mkdir(parents=True, exist_ok=True)
    if not (run / "checkpoint_last.safetensors").is_file():
        subprocess.run([*command, "train", name, "--run_path", str(run), "--overwrite"], check=True)
    watch = [*command, "watch", str(run), "--once", "--html", str(pages / f"{name}_run.html")]
    subprocess.run(watch, check=True)
    web = [*command, "web", str(run), "-o", str(pages / f"{name}.html"), "--title", SHOWN[name]]
    return subprocess.run(web, check=False).returncode == 0


def gallery(made: Mapping[str, bool]) -> str:
    """Pages of the presets that were `made`: to play, where they could be, and of their runs."""
    parts = ["# Gallery\n", "Each board is one page that `twisterl web` has made: play it, ask for "
             "a hint, or let the agent solve it.\n"]  # fmt: skip
    if not any(made.values()):
        parts.append("`make web-module` builds the engine for browsers, which these pages need.\n")
    for name, is_playable in made.items():
        page = f"../../../pages/{name}"
        shown = f"{page}.html" if is_playable else f"{page}_run.html"
        link = f'<a href="{page}.html">Alone on a page</a> · ' if is_playable else ""
        parts.append(
            f"## {SHOWN[name]}\n\n```{{raw}} html\n"
            f'<iframe src="{shown}" title="{SHOWN[name]}" loading="lazy" '
            'style="width:100%;height:1050px;border:0;border-radius:14px"></iframe>\n'
            f'<p>{link}<a href="{page}_run.html">how it was trained</a> '
            f"(<code>twisterl train {name}</code>)</p>\n```\n"
        )
    return "\n".join(parts)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
