"""The JSON schema of a run config, and the page of its keys, from the models of `twisterl.config`.

python -m twisterl.config.schema --write specs/config.schema.json docs/config.md
python -m twisterl.config.schema --check specs/config.schema.json docs/config.md
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from twisterl.cli import shell, streams
from twisterl.config.evaluations import PRESETS
from twisterl.config.paths import section_of
from twisterl.config.registry import REGISTRY, Run


def schema() -> dict[str, Any]:
    """Run config: the sections of a class of this package follow the name of that class.

    No keywords of JSON schema, but read by Rust: "evaluations", what entries of `evals` mean by
    their names, and an algorithm's "default_evals".
    """
    definitions: dict[str, Any] = {}
    rules = []
    for kind, classes in REGISTRY.items():
        for name, (_, model) in classes.items():
            part = model.model_json_schema(by_alias=True)
            definitions.update(part.pop("$defs", {}))
            if evals := getattr(model, "default_evals", ()):
                part["default_evals"] = list(evals)
            definitions[f"{kind.removesuffix('_cls')}_{name}"] = part
            rules.append(
                {
                    "if": {"properties": {kind: {"pattern": rf"^(twisterl\..*\.)?{name}$"}}},
                    "then": {
                        "properties": {
                            kind.removesuffix("_cls"): {
                                "$ref": f"#/$defs/{kind.removesuffix('_cls')}_{name}"
                            }
                        }
                    },
                }
            )
    run = Run.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "TwisteRL run config",
        **{key: run[key] for key in ("type", "properties", "required")},
        "allOf": rules,
        "evaluations": PRESETS,
        "$defs": dict(sorted(definitions.items())),
    }


def text() -> str:
    return json.dumps(schema(), indent=2) + "\n"


_PAGE = """\
# The keys of a run config

Written from `python/twisterl/config/`; the same as a JSON schema is in
[config.schema.json](../specs/config.schema.json), which editors read. A missing key takes its
default, at every level; an unknown one is refused. `twisterl config show FILE` prints every key of
a config with where its value comes from, `twisterl config schema` the schema, and
`twisterl config init ENVIRONMENT` a config to begin with.

The top has `env_cls`, `policy_cls` and `algorithm_cls`, each a name below or the dotted path of a
class of your own, and `env`, `policy` and `algorithm` with their keys. A policy may be any torch
module: it gets the keys of `policy`, and those of `obs_shape`, `num_actions`, `obs_dtype`,
`observation_space`, `action_space` and `spec` that its constructor names. Each entry of
`algorithm.evals` has a name of your choice, which `learning.diff_metric` may refer to;
`"evals": {}` switches evaluation off, and then the difficulty stays. With AZ its `C`,
`max_expand_depth`, `root_selection`, `gamma` and `transpositions` default to those of `collecting`.
What other commands play by default is in [search.md](search.md), how long a run is and what its
schedules make of it in [resume.md](resume.md).
"""


def page() -> str:
    """Every section as a table, those that algorithms share once."""
    users: dict[tuple[str, str], list[str]] = {}
    for kind, classes in REGISTRY.items():
        for name, (_, model) in classes.items():
            for title, section in _sections(kind.removesuffix("_cls"), model):
                rows = "\n".join(_rows(section))
                if rows:
                    users.setdefault((title, rows), []).append(name)
    head = "| key | default | values | meaning |\n| --- | --- | --- | --- |"
    tables = [
        f"## `{title}` of {', '.join(names)}\n\n{head}\n{rows}"
        for (title, rows), names in users.items()
    ]
    return "\n\n".join([_PAGE.rstrip(), *tables]) + "\n"


def _sections(title: str, model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """The model and the models of the sections in it, each with its dotted name."""
    yield title, model
    for name, field in model.model_fields.items():
        inner = field.annotation
        if get_origin(inner) is dict:
            name, inner = f"{name}.<name>", get_args(inner)[1]
        inner = section_of(inner)
        if inner is not None:
            yield from _sections(f"{title}.{field.alias or name}", inner)


def _rows(section: type[BaseModel]) -> Iterator[str]:
    required = section.model_json_schema(by_alias=True).get("required", [])
    for name, about in section.model_json_schema(by_alias=True)["properties"].items():
        kinds = about.get("anyOf", [about])
        if any("$ref" in json.dumps(kind) for kind in kinds):
            continue
        default = "required" if name in required else f"`{json.dumps(about.get('default', {}))}`"
        values = " or ".join(_values(kind) for kind in kinds)
        yield f"| `{name}` | {default} | {values} | {about.get('description', '')} |"


def _values(kind: dict[str, Any]) -> str:
    """What a JSON value of this schema may be, in words."""
    if "enum" in kind:
        return ", ".join(f"`{value}`" for value in kind["enum"])
    words = {"array": "list", "boolean": "true or false", "null": "null", "object": "object"}
    text: str = words.get(kind["type"], kind["type"])
    if kind["type"] == "array":
        items = kind.get("items") or kind.get("prefixItems", [{}])[0]
        return f"list of {_values(items)}" if "type" in items else "list"
    least, most = kind.get("minimum"), kind.get("maximum")
    above, below = kind.get("exclusiveMinimum"), kind.get("exclusiveMaximum")
    named = (("from", least), ("above", above), ("to", most), ("below", below))
    bounds = [f"{word} {_number(bound)}" for word, bound in named if bound is not None]
    return " ".join([text, *bounds])


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def main(arguments: list[str]) -> int:
    if "--help" in arguments:
        print(__doc__)
        return 0
    if len(arguments) < 2 or arguments[0] not in ("--write", "--check"):
        print("usage: python -m twisterl.config.schema --write|--check FILE ...", file=sys.stderr)
        return 2
    status = 0
    for path in map(Path, arguments[1:]):
        wanted = page() if path.suffix == ".md" else text()
        if arguments[0] == "--write":
            path.write_text(wanted, encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != wanted:
            print(
                f"{path} is not what twisterl.config says; run\n"
                f"  {shell.line(['python', '-m', 'twisterl.config.schema', '--write', path])}",
                file=sys.stderr,
            )
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(streams.run(lambda: main(sys.argv[1:])))
