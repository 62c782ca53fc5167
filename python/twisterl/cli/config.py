"""`twisterl config`."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
from pathlib import Path
from typing import Any

from twisterl.cli import shell
from twisterl.cli.doing import refuse_options_of_others
from twisterl.faults import ConfigError, Fault, shown

DESCRIPTION = "Show a config with where its values come from, its JSON schema, or begin a new one."
USAGE = """twisterl config show PRESET|FILE|RUN_DIR [KEY.PATH=VALUE ...] [--json]
       twisterl config schema
       twisterl config init ENVIRONMENT [--algorithm NAME] [-o FILE]"""
EPILOG = """\
examples:
  twisterl config show puzzle8 algorithm.optimizer.lr=1e-3
      every key, its value, and whether the preset, the command line or a default says so
  twisterl config show runs/ppo_puzzle8_v1 --json
      the whole config of a run as JSON
  twisterl config schema
      the JSON schema of configs, which editors read
  twisterl config init LightsOut -o lights.json
      a config to begin with, and what its keys mean; then twisterl train --config lights.json
  twisterl config init gymnasium:Acrobot-v1
  twisterl config init own_module.Own
      an environment of Gymnasium, or a class of your own"""

_DOING = ("show", "schema", "init")


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("doing", metavar="show|schema|init", choices=_DOING)
    add("words", metavar="...", nargs="*", help="as above")
    add("--algorithm", metavar="NAME", help="of init: PPO, AZ, RandomWalk or ES")
    add("-o", "--output", metavar="FILE", help="of init: write the config there; it must be new")
    add("--json", action="store_true", help="of show: the whole config as JSON")


def run(arguments: argparse.Namespace) -> int:
    words = arguments.words
    refuse_options_of_others(
        arguments.doing,
        {
            "--json": (arguments.json, "show"),
            "--algorithm": (arguments.algorithm is not None, "init"),
            "-o": (arguments.output is not None, "init"),
        },
    )
    if arguments.doing == "schema":
        if words:
            raise _refused("schema", f"takes nothing; got {shown(words[0])}")
        from twisterl.config.schema import text

        print(text(), end="")
        return 0
    if not words or "=" in words[0]:
        what = "PRESET, FILE or RUN_DIR" if arguments.doing == "show" else "ENVIRONMENT"
        raise _refused(arguments.doing, f"expected {what}")
    if arguments.doing == "show":
        return _show(words[0], words[1:], arguments.json)
    if len(words) > 1:
        raise _refused("init", f"takes one environment; got {shown(words[1])} too")
    return _init(words[0], arguments.algorithm, arguments.output)


def _show(name: str, words: list[str], as_json: bool) -> int:
    from twisterl.config.json import read_json
    from twisterl.config.overrides import parse_overrides
    from twisterl.config.sources import resolved

    path = file_of(name)
    config = read_json(path)
    if not isinstance(config, dict):
        problem = f"got a JSON {type(config).__name__}; expected a JSON object"
        raise ConfigError([Fault("", problem)], str(path))
    whole, settings = resolved(config, name, parse_overrides(words))
    if as_json:
        print(json.dumps(whole, indent=2))
        return 0
    rows = [(one.path, shown(one.value), one.source) for one in settings]
    first = max(len(path) for path, _, _ in rows)
    second = min(40, max(len(value) for _, value, _ in rows))
    for key, value, source in rows:
        print(f"{key:<{first}}  {value:<{second}}  {source}")
    return 0


def file_of(name: str) -> Path:
    """The file of a config that is named by a preset, a run folder, or itself."""
    from twisterl.presets import ABOUT, preset
    from twisterl.runs.folder import BASE_CONFIG

    path = Path(name)
    if path.is_dir():
        return path / BASE_CONFIG
    is_preset = name in ABOUT or not (path.exists() or path.suffix or len(path.parts) > 1)
    return preset(name).path if is_preset else path


def _init(name: str, algorithm: str | None, output: str | None) -> int:
    from twisterl.cli.outputs import writable
    from twisterl.config.registry import ALGORITHMS
    from twisterl.config.started import first_config
    from twisterl.config.validation import check_run
    from twisterl.faults import unknown
    from twisterl.runs.files import write_atomic

    if algorithm is not None and algorithm not in ALGORITHMS:
        raise _refused("--algorithm", unknown(algorithm, list(ALGORITHMS), "algorithm"))
    path = None if output is None else writable("-o", output)
    if path is not None and os.path.lexists(path):
        raise _refused("-o", f"{path} is there already; expected a new file")
    config = first_config(name, algorithm)
    checked = check_run(config, "command line")
    _require_builds(checked)
    text = json.dumps(config, indent=2) + "\n"
    if path is None:
        print(text, end="")
        return 0
    write_atomic(path, text.encode())
    print(f"{path}: written. What its keys mean:\n")
    for key, meaning in meanings(config, checked).items():
        print(f"  {key:<44} {meaning}")
    print(f"\nTrain it: {shell.twisterl('train', '--config', path)}")
    return 0


def _require_builds(checked: Any) -> None:
    """Raises what a training would; a class of the user may be yet to be written."""
    from twisterl.config.build import build_algorithm
    from twisterl.config.registry import GYMNASIUM
    from twisterl.on_demand import MissingPackage

    if checked.env.name in (None, "PyEnv") and not checked.env.path.startswith(GYMNASIUM):
        return
    with contextlib.suppress(MissingPackage):
        build_algorithm(checked, trust=True)


def meanings(config: dict[str, Any], checked: Any) -> dict[str, str]:
    """Of each key that the sections of `config` give and a model of this package describes."""
    found: dict[str, str] = {}
    for section, part in checked.parts().items():
        if not isinstance(part.arguments, dict):
            _describe(config.get(section, {}), part.arguments, section, found)
    return found


def _describe(given: dict[str, Any], model: Any, path: str, found: dict[str, str]) -> None:
    for key, value in given.items():
        fields = type(model).model_fields.items()
        name, field = next(((n, f) for n, f in fields if key in (n, f.alias)), ("", None))
        if field is None:
            continue
        inner = getattr(model, name)
        if not isinstance(value, dict):
            found[f"{path}.{key}"] = field.description or ""
        elif isinstance(inner, dict):
            # The entries of `evals`, whose names are the user's.
            for entry, member in inner.items():
                _describe(value.get(entry, {}), member, f"{path}.{key}.{entry}", found)
        else:
            _describe(value, inner, f"{path}.{key}", found)


def _refused(path: str, problem: str) -> ConfigError:
    return ConfigError([Fault(path, problem)], "command line")
