"""`twisterl train`."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from twisterl.cli import shell
from twisterl.cli.signals import interruptible, signal_number
from twisterl.faults import ConfigError, Fault

DESCRIPTION = "Train a policy as a config file says, into a run folder."
USAGE = """%(prog)s PRESET [options] [key.path=value ...]
       %(prog)s --config FILE [options] [key.path=value ...]"""
EPILOG = """\
examples:
  twisterl train puzzle8
      a config that the package brings, into runs/puzzle8; twisterl presets lists them
  twisterl train --config examples/ppo_puzzle8_v1.json
      trains into runs/ppo_puzzle8_v1 until the config's end or Ctrl-C, which saves
  twisterl train --config examples/ppo_puzzle8_v1.json --run_path runs/try --seed 1 \\
      algorithm.training.num_epochs=4 --algorithm.optimizer.lr 1e-3
      any key of the config can be set, as key.path=value or --key.path value
  twisterl train --resume --run_path runs/try --num_steps 200
      goes on to iteration 200; without --num_steps to where it was to end. Schedules keep the
      length that they began with. Keys of the config that differ take effect and are listed
  twisterl train --config examples/ppo_puzzle8_v1.json --dry-run env.width=4
      checks everything and prints the whole config, defaults included; writes nothing

The run folder holds the configs, checkpoint_last and checkpoint_best (safetensors),
metrics.jsonl, TensorBoard events, learning_curve.png and what --resume needs.
algorithm.training.lr is another name of algorithm.optimizer.lr.

One training at a time writes into a run folder; a second one is refused. SIGUSR1, or what
--save-signal names, saves and goes on: kill -USR1 PID.

exit status: 0 done, 1 failed while running, 2 wrong input (nothing was written),
130 ended by Ctrl-C, 143 by SIGTERM, 129 by a closed terminal (all saved)."""


def add_options(parser: argparse.ArgumentParser) -> None:
    from twisterl.cli.player import add_trust, add_workers

    add = parser.add_argument
    add("--config", metavar="FILE", help="the run config, JSON; with --resume taken from the run")
    add("--run_path", "--run-path", metavar="DIR", help="run folder (default: runs/<config name>)")
    add(
        "--load_checkpoint_path",
        "--load-checkpoint-path",
        metavar="FILE",
        help="start from these weights (.safetensors or .pt)",
    )
    add(
        "--num_steps",
        "--num-steps",
        type=int,
        metavar="N",
        help="iterations in all, resumed ones included (default: learning.num_steps, or endless; "
        "with --resume as the run was planned)",
    )
    add("--seed", type=int, metavar="S", help="algorithm.seed: equal seeds give equal runs")
    add("--seeds", type=int, metavar="N", help="train N times, by the seeds from --seed on, into "
        "folders seed=S below the run folder; --workers at a time")  # fmt: skip
    add("--resume", action="store_true", help="go on with the run in the run folder")
    add("--overwrite", action="store_true", help="drop the run in the run folder and start anew")
    add("--rerun", action="store_true", help="start anew over what this very command has made "
        "there before; another run, or one that went on longer, is kept")  # fmt: skip
    add("--time-budget", "--time_budget", type=float, metavar="S", help="end after so many seconds "
        "of training, of all parts of the run: learning.time_budget_s")  # fmt: skip
    add_workers(parser, ": algorithm.collecting.workers.num_workers")
    add("--save-signal", "--save_signal", default="USR1", metavar="NAME",
        help="the signal that saves and goes on (default: USR1)")  # fmt: skip
    add_trust(parser)
    add("--dry-run", "--dry_run", action="store_true", help="check and print the config only")


def with_preset(words: list[str]) -> list[str]:
    """The command line with the file of the preset that its first word names, if it is one."""
    if not words or words[0].startswith("-") or "=" in words[0]:
        return words
    from twisterl.presets import preset

    path = preset(words[0]).path
    if any(word.partition("=")[0] == "--config" for word in words):
        problem = "is a preset, which has its config; leave --config out"
        raise ConfigError([Fault(words[0], problem)], "command line")
    return ["--config", str(path), *words[1:]]


def run(arguments: argparse.Namespace, overrides: list[tuple[str, Any]]) -> int:
    from twisterl.train import Options, Training, draw_curve

    try:
        saving = signal_number(arguments.save_signal) if os.name == "posix" else None
    except ValueError as error:
        raise ConfigError([Fault("--save-signal", str(error))], "command line") from None
    if arguments.seeds is not None:
        return _train_by_seeds(arguments, overrides)
    with interruptible(saving) as signals:
        training = Training(
            Options(
                arguments.config,
                arguments.run_path,
                arguments.load_checkpoint_path,
                arguments.num_steps,
                arguments.seed,
                arguments.resume,
                arguments.overwrite,
                arguments.rerun,
                arguments.time_budget,
                [*_workers(arguments), *overrides],
                arguments.trust,
            )
        )
        algorithm, folder = training.algorithm, training.folder.path
        if arguments.dry_run:
            resolved = {**training.run.given, "algorithm": algorithm.config}
            print(json.dumps(resolved, indent=2))
            return 0
        from twisterl.cli.display import make_display
        from twisterl.envs.protocol import is_task
        from twisterl.runs.dashboard import quiet_writers

        training.start()
        signals.save = algorithm.request_save
        begun_at = algorithm.iteration
        log_freq, evals = algorithm.config["logging"]["log_freq"], algorithm.config["evals"]
        display = make_display(
            training.has_end, str(folder), log_freq, evals, is_task(algorithm.env)
        )
        try:
            with display, quiet_writers():
                training.learn(display)
        except KeyboardInterrupt:
            display.say(
                f"ended by {signals.name} after {algorithm.iteration} iterations; saved in "
                f"{folder}; go on with: "
                + shell.twisterl("train", "--resume", "--run_path", folder)
            )
            draw_curve(folder, wait=False)
            raise
        display.say(_summary(training, begun_at))
        draw_curve(folder)
    return 0


def _train_by_seeds(arguments: argparse.Namespace, overrides: list[tuple[str, Any]]) -> int:
    from twisterl.cli import sweep
    from twisterl.machines import runs
    from twisterl.runs.folder import named

    if arguments.config is None:
        raise ConfigError([Fault("--seeds", "expected a preset or --config")], "command line")
    if arguments.dry_run:
        raise ConfigError(
            [Fault("--dry-run", "is of one training; leave --seeds out")], "command line"
        )
    sweep.require_few(arguments.seeds)
    sweep.require_no_seed(overrides)
    default = Path("runs") / Path(arguments.config).stem
    parent = default if arguments.run_path is None else named(arguments.run_path)
    first = arguments.seed or 0
    planned = [
        runs.Planned(f"seed={seed}", (*overrides, ("algorithm.seed", seed)))
        for seed in range(first, first + arguments.seeds)
    ]
    return sweep.train_all(arguments, planned, parent, _passed_on(arguments))


def _passed_on(arguments: argparse.Namespace) -> list[str]:
    """What each training of several is told besides."""
    words = ["--trust"] if arguments.trust else []
    if os.name == "posix":
        words += ["--save-signal", arguments.save_signal]
    if arguments.time_budget is not None:
        words += ["--time-budget", str(arguments.time_budget)]
    if arguments.load_checkpoint_path is not None:
        words += ["--load_checkpoint_path", str(Path(arguments.load_checkpoint_path).absolute())]
    return words


def _workers(arguments: argparse.Namespace) -> list[tuple[str, Any]]:
    """What the command line says of workers, as overrides of the config."""
    from twisterl.cli.player import workers

    path = "algorithm.collecting.workers"
    return [(f"{path}.{key}", value) for key, value in workers(arguments).items()]


def _summary(training: Any, begun_at: int) -> str:
    from twisterl.cli.display import level
    from twisterl.envs.protocol import is_task

    algorithm, folder = training.algorithm, training.folder.path
    best = algorithm.best_metrics
    text = f"done: {algorithm.iteration} iterations, {algorithm.total_steps:,} steps"
    if training.options.resume and algorithm.iteration == begun_at:
        end = training.total_iterations
        text = f"nothing to do: the run has {begun_at} iterations and "
        if end is None or begun_at < end:
            return f"{text}is at the end of learning.time_budget_s or learning.patience"
        return f"{text}ends after {end}; --num_steps makes it longer"
    if best is not None:
        at = "" if is_task(algorithm.env) else f" at difficulty {level(best[0])}"
        text += f"; best{at}: success {best[1]:.2f}"
        if not at:
            text += f", reward {best[2]:.2f}"
    return f"{text}\nsaved in {folder}; try: {shell.twisterl('eval', folder)}"
