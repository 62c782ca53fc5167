#!/usr/bin/env python3
"""Writes what Rust and the config models have said for all: each fact stands in one place.

From Rust's list of environments: config models, stubs, names. From the models of the config: its
schema, the page of its keys, and what the Mojo port knows of them. From the examples: presets.

python scripts/generate.py            after a change of rust/src/envs, of the config models or of an
                                      example that is a preset
python scripts/generate.py --check    exits with 1 where a file is not what it writes
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from twisterl.twisterl import env as compiled

ROOT = Path(__file__).resolve().parents[1]
WRITER = "scripts/generate.py"
PAGES = ("specs/config.schema.json", "docs/config.md")
WIDTH = 100
LISTED = [*compiled.ENVIRONMENTS, *compiled.TASKS]
# What follows this line of a stub is generated, what stands above it is not.
BELOW = f"# Below: written by {WRITER}.\n"


def models() -> str:
    """The models of the section `env`."""
    classes = "\n\n\n".join(map(model, LISTED))
    listed = "\n".join(f'    "{name}": {name}Arguments,' for name in LISTED)
    return f'''\
"""What the environments of the compiled package take; written by {WRITER}."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from twisterl.config.values import Natural, Pairs, Section


{classes}


ENVIRONMENTS: dict[str, type[Section]] = {{
{listed}
}}
'''


def model(name: str) -> str:
    about = getattr(compiled, name).__doc__.strip().partition("\n")[0]
    fields = "\n".join(map(field, compiled.parameters(name)))
    return f'class {name}Arguments(Section):\n    """{about}"""\n\n{fields}'


def field(parameter: dict[str, Any]) -> str:
    kind, default = annotation(parameter), literal(parameter["default"])
    if len(kind) + len(parameter["name"]) + 6 > WIDTH:
        # As ruff formats it: what a long choice is between, one on each line.
        kind = (
            kind.replace("[", "[\n        ").replace(", ", ",\n        ").replace("]", ",\n    ]")
        )
    arguments = [default, f"description={json.dumps(parameter['about'])}"]
    return called(f"    {parameter['name']}: {kind} = Field", arguments)


def annotation(parameter: dict[str, Any]) -> str:
    match parameter:
        case {"type": "int" | "float" as kind, "min": least, "max": most}:
            return f"Annotated[{kind}, Field(ge={number(least)}, le={number(most)})]"
        case {"type": "choice", "names": names}:
            return f"Literal[{', '.join(map(json.dumps, names))}]"
        case {"type": "bool"}:
            return "bool"
        case {"type": "numbers"}:
            return "list[Natural] | None"
        case {"type": "pairs"}:
            return "Pairs | None"
    raise ValueError(f"no annotation for {parameter}")


def number(value: float) -> str:
    return f"{int(value):_}" if value == int(value) else repr(value)


def literal(value: Any) -> str:
    return json.dumps(value) if isinstance(value, str) else repr(value)


def called(head: str, arguments: list[str]) -> str:
    """A call as ruff formats it: on one line, or its arguments on one, or one on each."""
    inside = ", ".join(arguments)
    if len(head.rpartition("\n")[2]) + len(inside) + 2 <= WIDTH:
        return f"{head}({inside})"
    if len(inside) + 8 > WIDTH:
        inside = ",\n        ".join(arguments) + ","
    return f"{head}(\n        {inside}\n    )"


def stubs() -> str:
    """The stub, whose upper part is kept: what it declares there is not declared again."""
    kept, _, _ = (ROOT / "python/twisterl/twisterl/env.pyi").read_text("utf-8").partition(BELOW)
    names = [name for name in sorted(LISTED) if f"class {name}(" not in kept]
    listed = "".join(f'    "{name}",\n' for name in names)
    return "\n".join([f"{kept}{BELOW}", f"__all__ += [\n{listed}]\n", *map(stub, names)])


def stub(name: str) -> str:
    arguments = "".join(f"        {argument},\n" for argument in stub_arguments(name))
    return f"""\
class {name}(PyBaseEnv):
    def __new__(
        cls,
        *,
{arguments}    ) -> Self: ...
    def copy(self) -> Self: ...
    def arguments(self) -> dict[str, Any]: ...
"""


def stub_arguments(name: str) -> Iterator[str]:
    kinds = {
        "choice": "str",
        "numbers": "Sequence[int] | None",
        "pairs": "Sequence[Sequence[int]] | None",
    }
    for parameter in compiled.parameters(name):
        kind = kinds.get(parameter["type"], parameter["type"])
        yield f"{parameter['name']}: {kind} = {literal(parameter['default'])}"


def names() -> str:
    """The classes as `twisterl.envs` has them."""
    classes = "\n".join(f"{name} = _compiled.{name}" for name in LISTED)
    listed = "\n".join(f'    "{name}",' for name in sorted(LISTED))
    return f'''\
"""The environments of the compiled package; written by {WRITER}."""

from twisterl.twisterl import env as _compiled

{classes}

__all__ = [
{listed}
]
'''


def mojo() -> str:
    """What the keys of a config for ES may be, for the Mojo port, which reads it as JSON."""
    schema = json.loads((ROOT / PAGES[0]).read_text("utf-8"))["$defs"]
    parts = {"env": "env_Puzzle", "policy": "policy_BasicPolicy", "algorithm": "algorithm_ES"}
    sections = {
        path: keys
        for part, name in parts.items()
        for path, keys in mojo_sections(schema, part, schema[name])
    }
    lines = []
    for path, keys in sections.items():
        entries = ",\n".join(f"  {json.dumps(key)}: {json.dumps(keys[key])}" for key in keys)
        lines += [f'"{path}": {{', *entries.split("\n"), "},"]
    text = "\n".join(f"    '{line}'" for line in ["{", *lines[:-1], "}}"])
    return f'''\
"""The keys of a run config for ES, from {PAGES[0]}; written by {WRITER}."""

comptime KEYS = (
{text}
)
"""JSON: each section by its path, in it the default, bounds and options of each key."""
'''


def mojo_sections(
    schema: dict[str, Any], path: str, section: dict[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The section and those in it, each with its path and what its keys may be."""
    yield (
        path,
        {name: limits(key) for name, key in section["properties"].items() if "default" in key},
    )
    for name, key in section["properties"].items():
        for each in key.get("patternProperties", {}).values():
            yield from mojo_sections(schema, f"{path}.{name}.*", referred(schema, each))
        if "$ref" in key:
            yield from mojo_sections(schema, f"{path}.{name}", referred(schema, key))


def referred(schema: dict[str, Any], key: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schema[key["$ref"].rpartition("/")[2]]
    return found


def limits(key: dict[str, Any]) -> dict[str, Any]:
    """Of a key of the schema; those of a list are those of its items."""
    kind = key.get("anyOf", [key])[0]
    kind = kind.get("prefixItems", [kind])[0]
    words = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "enum")
    return {"default": key["default"], **{word: kind[word] for word in words if word in kind}}


FROM_RUST: dict[str, Callable[[], str]] = {
    "python/twisterl/config/environments.py": models,
    "python/twisterl/twisterl/env.pyi": stubs,
    "python/twisterl/envs/listed.py": names,
}
# The examples that a package brings as presets. No links: a wheel made on Windows would hold
# their text.
PRESETS = {
    "cartpole": "ppo_cartpole_v1",
    "catch": "ppo_catch_v1",
    "cube2": "rw_cube2_v1",
    "grid_world": "ppo_grid_world_v1",
    "lights_out": "ppo_lights_out_v1",
    "lights_out5": "rw_lights_out_v1",
    "linear_function": "ppo_linear_function_v1",
    "pendulum": "ppo_pendulum_v1",
    "permutation": "ppo_permutation_v1",
    "puzzle15": "rw_puzzle15_v1",
    "puzzle15_az": "az_puzzle15_v1",
    "puzzle8": "ppo_puzzle8_v1",
    "puzzle8_az": "az_puzzle8_v1",
    "puzzle8_es": "es_puzzle8_v1",
    "puzzle8_walks": "rw_puzzle8_v1",
    "t_maze": "ppo_t_maze_v1",
    "top_spin": "rw_top_spin_v1",
    "two_walkers": "ppo_two_walkers_v1",
}
COPIES = {
    f"python/twisterl/presets/{name}.json": (ROOT / f"examples/{example}.json").read_text
    for name, example in PRESETS.items()
}
FROM_SCHEMA: dict[str, Callable[[], str]] = {"mojo/twisterl/keys.mojo": mojo}


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    is_check = bool(arguments)
    stale = written(FROM_RUST | COPIES, is_check)
    # In a process of its own, which imports the models as they are by now.
    mode = "--check" if is_check else "--write"
    pages = [sys.executable, "-m", "twisterl.config.schema", mode, *PAGES]
    stale |= subprocess.run(pages, cwd=ROOT, check=False).returncode != 0
    stale |= written(FROM_SCHEMA, is_check)
    return int(is_check and stale)


def written(files: dict[str, Callable[[], str]], is_check: bool) -> bool:
    """Whether a file was not what it should be; it is by now, but for a check."""
    stale = False
    for name, text in files.items():
        path, wanted = ROOT / name, text()
        if path.is_file() and path.read_text("utf-8") == wanted:
            continue
        stale = True
        if not is_check:
            path.write_text(wanted, encoding="utf-8")
        print(f"{name}: {f'run python {WRITER}' if is_check else 'written'}")
    return stale


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
