"""Import circles among the files of each language: python scripts/circles.py.

A circle is a set of files of which each needs every other one, so that none can be read, tested or
moved alone. Rust's `use` and paths are followed through re-exports to the file that has the item;
Python's imports count wherever they stand, in functions and for type checkers alike.

Exit status 1 with every circle and the imports that tie it.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUST = [ROOT / "rust" / folder / "src" for folder in ("", "extension", "web")]
PYTHON = ROOT / "python"

Graph = dict[Path, dict[Path, set[str]]]
_USE = re.compile(r"^\s*(pub(?:\([^)]*\))?\s+)?use\s+([^;]+);", re.MULTILINE)
_PATH = re.compile(r"\b(?:crate|super|self)(?:::\w+)+")


def main() -> int:
    graphs = [rust_graph(folder) for folder in RUST] + [python_graph(PYTHON)]
    found = [(graph, circle) for graph in graphs for circle in circles(graph)]
    for graph, circle in found:
        print(f"circle of {len(circle)} files:")
        for file in circle:
            for other in sorted(set(graph[file]) & set(circle) - {file}):
                names = ", ".join(sorted(graph[file][other]))
                print(f"  {file.relative_to(ROOT)} -> {other.relative_to(ROOT)}: {names}")
    if not found:
        print(f"no circle among {sum(map(len, graphs))} files")
    return 1 if found else 0


def circles(graph: Graph) -> Iterator[list[Path]]:
    """The strongly connected components of more than one file (Tarjan 1972)."""
    index: dict[Path, int] = {}
    low: dict[Path, int] = {}
    stack: list[Path] = []
    found: list[list[Path]] = []

    def visit(file: Path) -> None:
        index[file] = low[file] = len(index)
        stack.append(file)
        for other in graph[file]:
            if other not in index:
                visit(other)
                low[file] = min(low[file], low[other])
            elif other in stack:
                low[file] = min(low[file], index[other])
        if low[file] == index[file]:
            at = stack.index(file)
            found.append(sorted(stack[at:]))
            del stack[at:]

    for file in graph:
        if file not in index:
            visit(file)
    return (component for component in found if len(component) > 1)


# Rust.


class Crate:
    """The modules of a crate by path, `()` for its root."""

    def __init__(self, root: Path) -> None:
        self.files: dict[tuple[str, ...], Path] = {}
        for file in sorted(root.rglob("*.rs")):
            parts = file.relative_to(root).with_suffix("").parts
            if parts[0] == "bin" and len(parts) == 2:
                parts = (*parts, "main")
            name = parts[:-1] if parts[-1] in ("lib", "mod", "main") else parts
            self.files[name] = file
        self.texts = {name: without_tests(file.read_text()) for name, file in self.files.items()}
        self.reexports = {name: dict(self._reexports(name)) for name in self.files}

    def start_of(self, name: tuple[str, ...]) -> tuple[str, ...]:
        """Where `crate` leads from the module `name`: a binary is a crate of its own."""
        return name[:2] if name[:1] == ("bin",) else ()

    def _reexports(self, name: tuple[str, ...]) -> Iterator[tuple[str, list[str]]]:
        for public, tree in _USE.findall(self.texts[name]):
            for path, item in use_leaves(tree) if public else ():
                yield item, path

    def resolve(self, name: tuple[str, ...], path: list[str]) -> tuple[Path, str] | None:
        """The file of the item that `path` means in module `name`, and the item's name."""
        here, rest = list(name), list(path)
        if rest[0] == "crate":
            here, rest = list(self.start_of(name)), rest[1:]
        elif rest[0] in ("self", "super"):
            while rest and rest[0] in ("self", "super"):
                if rest.pop(0) == "super":
                    here = here[:-1]
        elif (*here, rest[0]) not in self.files:
            return None
        while rest and (*here, rest[0]) in self.files:
            here.append(rest.pop(0))
        item = rest[0] if rest else here[-1] if here else ""
        further = self.reexports.get(tuple(here), {}).get(item) if rest else None
        if further is not None and further != path:
            found = self.resolve(tuple(here), further)
            if found is not None:
                return found
        file = self.files.get(tuple(here))
        return (file, item) if file is not None else None


def rust_graph(root: Path) -> Graph:
    crate = Crate(root)
    graph: Graph = {file: {} for file in crate.files.values()}
    for name, text in crate.texts.items():
        private = [tree for public, tree in _USE.findall(text) if not public]
        paths = [path for tree in private for path, _ in use_leaves(tree)]
        paths += [match.split("::") for match in _PATH.findall(_USE.sub("", text))]
        for path in paths:
            found = crate.resolve(name, path)
            if found is not None and found[0] != crate.files[name]:
                graph[crate.files[name]].setdefault(found[0], set()).add(found[1])
    return graph


def without_tests(text: str) -> str:
    """Rust without comments and without the tests at a file's end."""
    text = re.sub(r"//[^\n]*", "", text)
    return re.split(r"#\[cfg\(test\)\]\s*mod \w+\s*[{]", text)[0]


def use_leaves(tree: str) -> Iterator[tuple[list[str], str]]:
    """(path, name it gets) of every leaf of a `use` tree."""
    tree = re.sub(r"\s+", " ", tree).strip()
    before, brace, inside = tree.partition("{")
    if not brace:
        path, _, alias = tree.partition(" as ")
        parts = [part.strip() for part in path.split("::")]
        yield parts, alias.strip() or parts[-1]
        return
    prefix = [part for part in before.strip().removesuffix("::").split("::") if part]
    for branch in split_branches(inside.rsplit("}", 1)[0]):
        for parts, name in use_leaves(branch):
            yield prefix + ([] if parts == ["self"] else parts), name


def split_branches(text: str) -> Iterator[str]:
    depth, start = 0, 0
    for at, letter in enumerate(text):
        depth += (letter == "{") - (letter == "}")
        if letter == "," and depth == 0:
            yield text[start:at]
            start = at + 1
    if text[start:].strip():
        yield text[start:]


# Python.


def python_graph(root: Path) -> Graph:
    files = {module_name(root, file): file for file in sorted(root.rglob("*.py"))}
    # What has nothing but stubs is compiled, and imports none of these files.
    compiled = {module_name(root, stub) for stub in root.rglob("*.pyi")}
    graph: Graph = {file: {} for file in files.values()}
    for file in files.values():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            for name in imported(node):
                # `from package import module` means the module, else the package's own file.
                module = name if name in files or name in compiled else name.rpartition(".")[0]
                other = files.get(module)
                if other is not None and other != file:
                    graph[file].setdefault(other, set()).add(name.rpartition(".")[2])
    return graph


def module_name(root: Path, file: Path) -> str:
    parts = file.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0:
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


if __name__ == "__main__":
    sys.exit(main())
