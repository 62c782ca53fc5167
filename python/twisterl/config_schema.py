"""The JSON schema of a run config, written from the models of `twisterl.config`.

python -m twisterl.config_schema --write specs/config.schema.json
python -m twisterl.config_schema --check specs/config.schema.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from twisterl import config


def schema() -> dict[str, Any]:
    """Run config: the sections of a class of this package follow the name of that class."""
    definitions: dict[str, Any] = {}
    rules = []
    for kind, classes in config.REGISTRY.items():
        for name, (_, model) in classes.items():
            assert model is not None
            part = model.model_json_schema(by_alias=True)
            definitions.update(part.pop("$defs", {}))
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
    run = config.Run.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "TwisteRL run config",
        **{key: run[key] for key in ("type", "properties", "required")},
        "allOf": rules,
        "$defs": dict(sorted(definitions.items())),
    }


def text() -> str:
    return json.dumps(schema(), indent=2) + "\n"


def main(arguments: list[str]) -> int:
    if "--help" in arguments:
        print(__doc__)
        return 0
    if len(arguments) != 2 or arguments[0] not in ("--write", "--check"):
        print("usage: python -m twisterl.config_schema --write|--check FILE", file=sys.stderr)
        return 2
    path = Path(arguments[1])
    if arguments[0] == "--write":
        path.write_text(text(), encoding="utf-8")
        return 0
    if not path.is_file() or path.read_text(encoding="utf-8") != text():
        print(
            f"{path} is not what twisterl.config says; run\n"
            f"  python -m twisterl.config_schema --write {path}",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
