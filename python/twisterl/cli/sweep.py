"""`twisterl sweep`, and `twisterl train --seeds`."""

from __future__ import annotations

import argparse
import itertools
import math
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from twisterl.faults import ConfigError, Fault

DESCRIPTION = "Train by every combination of settings and seeds, each into a folder of its own."
USAGE = "%(prog)s --config FILE [options] [key.path=value,value ...]"
EPILOG = """\
examples:
  twisterl sweep --config examples/ppo_puzzle8_v1.json --run_path runs/rates --num_steps 50 \\
      --seeds 3 algorithm.optimizer.lr=1e-3,3e-4
      six trainings into runs/rates/lr=0.001,seed=0 and so on, two at a time
  twisterl sweep --config examples/ppo_puzzle8_v1.json --list settings.json --workers 8 \\
      --backend ray --address auto
      settings.json: [{"env.width": 3}, {"env.width": 4, "env.height": 4}]; eight at a time on a
      Ray cluster, whose nodes share the folder of the runs
  twisterl sweep --config examples/ppo_puzzle8_v1.json --run_path runs/rates --resume --seeds 3 \\
      algorithm.optimizer.lr=1e-3,3e-4
      goes on with what was ended and begins what was not begun

Commas outside of brackets and quotes separate values. Every folder is a usual run: eval, solve and
--resume take it.

exit status: 0 done, 1 a training failed, 2 wrong input (nothing was started), 130 Ctrl-C."""


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--config", required=True, metavar="FILE", help="the run config, JSON")
    add("--run_path", "--run-path", metavar="DIR", help="folder of the runs' folders; without it "
        "runs/<config name>-sweep")  # fmt: skip
    add("--list", metavar="FILE", help="JSON: a list of objects of overrides, each crossed with "
        "the grid and the seeds")  # fmt: skip
    add("--seeds", type=int, default=1, metavar="N", help="of each combination, from --seed on")
    add("--seed", type=int, default=0, metavar="S", help="the first seed (default: 0)")
    add("--num_steps", "--num-steps", type=int, metavar="N", help="iterations of each")
    add("--resume", action="store_true", help="go on with the runs that are there")
    add("--overwrite", action="store_true", help="drop the runs that are there and start anew")
    add("--rerun", action="store_true", help="start anew over what this very command has made "
        "there before; other runs are kept")  # fmt: skip
    add("--workers", type=int, default=2, metavar="N", help="trainings at a time (default: 2)")
    add("--backend", choices=["local", "ray"], default="local", help="where (default: local)")
    add("--address", metavar="HOST:PORT", help="of the Ray cluster, or auto")


def run(arguments: argparse.Namespace, words: Sequence[str]) -> int:
    from twisterl.machines import runs
    from twisterl.runs.folder import named

    listed = [()] if arguments.list is None else _listed(arguments.list)
    choices = [_choice(word) for word in words]
    each = [(key, value) for key, values in choices for value in values]
    require_no_seed([*itertools.chain(*listed), *each])
    require_few(arguments.seeds, len(listed) * math.prod(len(values) for _, values in choices))
    combinations = [(*first, *rest) for first in listed for rest in runs.grid(choices)]
    seeds = range(arguments.seed, arguments.seed + arguments.seeds)
    default = Path("runs") / f"{Path(arguments.config).stem}-sweep"
    parent = default if arguments.run_path is None else named(arguments.run_path)
    planned = runs.planned(combinations, seeds)
    return train_all(arguments, planned, parent, [])


def require_no_seed(pairs: Iterable[tuple[str, Any]]) -> None:
    """Refuses `pairs` of overrides that say a seed: those of --seeds would replace it."""
    for key, value in pairs:
        is_section = key == "algorithm" and isinstance(value, dict)
        if key == "algorithm.seed" or (is_section and "seed" in value):
            raise _wrong("algorithm.seed", "is of --seed and --seeds where several are trained")


def require_few(num_seeds: int, num_combinations: int = 1) -> None:
    """Refuses seeds that, with each of the combinations, are no trainings or too many of them."""
    from twisterl.machines.runs import MOST

    if num_seeds < 1:
        raise _wrong("--seeds", f"got {num_seeds}; expected a number from 1 on")
    if num_seeds * num_combinations > MOST:
        each = f" of {num_combinations} combinations" if num_combinations > 1 else ""
        problem = f"got {num_seeds}{each}; expected at most {MOST} trainings"
        raise _wrong("--seeds", problem)


def train_all(
    arguments: argparse.Namespace, planned: Sequence[Any], parent: Path, more: list[str]
) -> int:
    """Runs the `planned` trainings below `parent` and says how each has ended.

    A signal that ends this process lets all of them save and end.
    """
    from twisterl.cli.signals import interruptible

    if arguments.workers is not None and arguments.workers < 1:
        raise _wrong("--workers", f"got {arguments.workers}; expected a number from 1 on")
    if arguments.address is not None and arguments.backend != "ray":
        raise _wrong("--address", f"got {arguments.address!r}; expected none without --backend ray")
    if parent.exists() and not parent.is_dir():
        raise _wrong("--run_path", f"{parent} is a file; expected a folder for the runs")
    with interruptible():
        return _train_all(arguments, planned, parent, more)


def _train_all(
    arguments: argparse.Namespace, planned: Sequence[Any], parent: Path, more: list[str]
) -> int:
    from twisterl.machines import runs

    commands = []
    for each in planned:
        resumes = arguments.resume and runs.folder_of(parent, each).is_dir()
        _check(arguments, each, parent, resumes)
        commands.append((each.name, _command(arguments, each, parent, resumes, more)))
    on_ray = arguments.backend == "ray"
    run_one = runs.RayNodes(arguments.address) if on_ray else runs.Local()
    failed = 0
    try:
        ended = runs.run_all(commands, run_one, min(arguments.workers or 2, len(commands)))
        for number, done in enumerate(ended, 1):
            last = done.said.splitlines() or [""]
            text = next((line for line in last if line.startswith("done:")), last[-1])
            if done.status:
                failed += 1
                text = f"failed with status {done.status}: {text}"
            elif on_ray and not (parent / done.name).is_dir():
                failed += 1
                text = f"trained where {parent} is another folder; nodes must share it"
            print(f"[{number}/{len(commands)}] {done.name}: {text}", flush=True)
    except KeyboardInterrupt:
        run_one.end()
        print(f"ended; with --resume the trainings in {parent} go on", flush=True)
        raise
    finally:
        run_one.end()
    print(f"{len(commands) - failed} of {len(commands)} trainings are in {parent}", flush=True)
    return 1 if failed else 0


def _check(arguments: argparse.Namespace, each: Any, parent: Path, resumes: bool) -> None:
    """Raises what the training of `each` would, before any is started."""
    from twisterl.machines.runs import folder_of
    from twisterl.train import Options, Training

    folder = os.fspath(folder_of(parent, each))
    options = Options(
        arguments.config,
        folder,
        getattr(arguments, "load_checkpoint_path", None),
        num_steps=arguments.num_steps,
        resume=resumes,
        overwrite=arguments.overwrite,
        rerun=arguments.rerun,
        time_budget_s=getattr(arguments, "time_budget", None),
        overrides=list(each.pairs),
        trust=getattr(arguments, "trust", False),
    )
    Training(options)


def _command(
    arguments: argparse.Namespace, each: Any, parent: Path, resumes: bool, more: list[str]
) -> list[str]:
    from twisterl.config.json import to_json
    from twisterl.machines.runs import folder_of

    folder = os.fspath(folder_of(parent, each).absolute())
    config = os.path.abspath(arguments.config)
    command = [sys.executable, "-m", "twisterl.train", "--config", config, "--run_path", folder]
    if arguments.num_steps is not None:
        command += ["--num_steps", str(arguments.num_steps)]
    command += ["--resume"] if resumes else []
    command += ["--overwrite"] if arguments.overwrite else []
    command += ["--rerun"] if arguments.rerun else []
    return [*command, *more, *(f"{key}={to_json(value).strip()}" for key, value in each.pairs)]


def _choice(word: str) -> tuple[str, list[Any]]:
    from twisterl.config.overrides import parse_overrides
    from twisterl.machines.runs import values_of

    key, equals, text = word.partition("=")
    if not equals:
        raise _wrong("", f"unexpected {word!r}; expected key.path=value,value")
    pairs = parse_overrides([f"{key}={value}" for value in values_of(text)])
    return key.removeprefix("--"), [value for _, value in pairs]


def _listed(path: str) -> list[tuple[tuple[str, Any], ...]]:
    from twisterl.config.json import read_json

    listed = read_json(path)
    if not isinstance(listed, list) or not listed or not all(map(_is_object, listed)):
        raise ConfigError([Fault("", "expected a list of objects of overrides")], path)
    return [tuple(overrides.items()) for overrides in listed]


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _wrong(path: str, problem: str) -> ConfigError:
    return ConfigError([Fault(path, problem)], "command line")
