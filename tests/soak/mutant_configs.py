"""Configs that are changed a little: values, keys, sections and single bytes.

Config `i` of a seed is the same on every machine: `config(seed, i)`.
"""

from __future__ import annotations

import json
import random
from functools import cache
from pathlib import Path
from typing import Any

import runs

ROOT = Path(__file__).resolve().parents[2]
_VALUES: list[Any] = [
    *(None, True, False, "", "x", [], {}, [1], [[]], {"a": 1}, [None]),
    *("1", "\0", "\ud800", "é" * 99),
    *(0, 1, 2, 3, 7, 16, 100, -1, -(2**31), 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53),
    *(2**62, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**30, -(2**63), -(2**64)),
    *(0.0, -0.0, 0.5, 1.0, 1.5, -0.5, 1e-300, 5e-324, 1e-9, 1e9, 1e38, 1e39, 1e308, 3.0),
]
_CLASSES = [
    *("Puzzle", "LightsOut", "Cube2", "GridWorld", "Permutation", "LinearFunction", "PyEnv"),
    *("PPO", "AZ", "ES", "RandomWalk", "BasicPolicy", "Conv1dPolicy", "Algorithm", "puzzle", ""),
    *("os.system", "builtins.print", "pathlib.Path", "json", "json.JSONDecoder", "torch.nn.Linear"),
    *("twisterl.envs", "twisterl.rl.Algorithm", "twisterl.nope.X", ".", "..", "a.b.c", "torch.nn."),
]
_TOKENS = [
    *(b"NaN", b"Infinity", b"-Infinity", b"1e999", b"01", b"+1", b"0x10", b"'a'", b"//", b"\xff"),
    *(b"\xef\xbb\xbf", b"\0", b'"\\ud800"', b"[" * 70, b'{"a":' * 3000, b"9" * 5000, b",", b"}"),
]


@cache
def _bases() -> list[dict[str, Any]]:
    small = [runs.config(name, 2, seed) for name in runs.ALGORITHMS for seed in (0, 1)]
    paths = [*(ROOT / "examples").glob("*.json"), *(ROOT / "specs" / "cases").glob("accept_*.json")]
    found = [json.loads(path.read_text()) for path in sorted(paths)]
    return 4 * small + [case.get("config", case) for case in found]


@cache
def _paths() -> list[str]:
    from twisterl.config.paths import known_paths

    return known_paths()


def config(seed: int, number: int) -> bytes:
    """A config file, mostly one that a person might have written."""
    rng = random.Random(f"{seed} {number}")
    base = json.loads(json.dumps(rng.choice(_bases())))
    for _ in range(rng.choice((1, 1, 1, 1, 2))):
        _change(rng, base)
    content = json.dumps(base, indent=rng.choice((None, 1))).encode("utf-8", "surrogatepass")
    if rng.random() < 0.12:
        return _torn(rng, content)
    return content


def _change(rng: random.Random, base: dict[str, Any]) -> None:
    kind = rng.randrange(14)
    sections = list(_sections(base))
    section = rng.choice(sections)
    if kind == 0 and section:
        section.pop(rng.choice(list(section)))
    elif kind == 1 and section:
        key = rng.choice(list(section))
        section[rng.choice((key + "s", key[:-1], key.upper(), "x", ""))] = section[key]
    elif kind == 2 and section:
        section[rng.choice(list(section))] = json.loads(json.dumps(rng.choice(sections)))
    elif kind == 3:
        base[rng.choice(("env_cls", "policy_cls", "algorithm_cls"))] = rng.choice(
            [rng.choice(_CLASSES), f"twisterl.envs.{rng.choice(_CLASSES)}", rng.choice(_VALUES)]
        )
    elif kind == 4:
        _put(base, rng.choice(_paths()).split("."), rng.choice(_VALUES))
    elif section:
        key = rng.choice(list(section))
        section[key] = _near(rng, section[key]) if kind > 7 else rng.choice(_VALUES)


def _near(rng: random.Random, value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return rng.choice((value - 1, value + 1, value * 2, -value, float(value), str(value), 0, 1))
    if isinstance(value, float):
        return rng.choice((value * 2, value / 1e6, -value, round(value), 1.0, 0.0))
    return rng.choice(_VALUES)


def _sections(value: dict[str, Any]) -> list[dict[str, Any]]:
    inner = [part for item in value.values() if isinstance(item, dict) for part in _sections(item)]
    return [value, *inner] if len(inner) < 50 else [value]


def _put(base: dict[str, Any], path: list[str], value: Any) -> None:
    for name in path[:-1]:
        inner = base.setdefault(name, {})
        if not isinstance(inner, dict):
            return
        base = inner
    base[path[-1]] = value


def _torn(rng: random.Random, content: bytes) -> bytes:
    place = rng.randrange(len(content) + 1)
    match rng.randrange(5):
        case 0:
            return content[:place]
        case 1:
            return content[:place] + rng.choice(_TOKENS) + content[place:]
        case 2:
            return content[:place] + rng.choice(_TOKENS) + content[place + rng.randrange(6) :]
        case 3:
            changed = bytearray(content)
            changed[place - 1] = rng.randrange(256)
            return bytes(changed)
        case _:
            return content[:place] + content[rng.randrange(len(content)) :]
