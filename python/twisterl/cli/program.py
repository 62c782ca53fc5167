"""The command line: `twisterl COMMAND`."""

from __future__ import annotations

import argparse
import atexit
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn

from twisterl.cli import signals, streams
from twisterl.faults import ConfigError, nearest
from twisterl.on_demand import MissingPackage

EPILOG = """\
start here:
  twisterl train puzzle8                           train the 8-puzzle
  twisterl eval runs/puzzle8                       how many boards does it solve?
  twisterl solve runs/puzzle8 "8 7 5 3 2 0 4 6 1"  solve one
  twisterl play runs/puzzle8                       play yourself, 'h' gives a hint
  twisterl presets                                 what else there is to train
  twisterl <command> --help                        more examples

A wrong input gives one error and exit status 2. TWISTERL_DEBUG=1 shows tracebacks."""

COMMANDS = (
    "train", "sweep", "presets", "config", "eval", "solve", "play", "watch", "compare", "web",
    "export", "hub", "cache", "bench",
)  # fmt: skip


class _Parser(argparse.ArgumentParser):
    """argparse with errors of one line that guess what was meant."""

    def error(self, message: str) -> NoReturn:
        start = "argument command: invalid choice: "
        if message.startswith(start):
            name = message.removeprefix(start).split("'")[1]
            match = nearest(name, COMMANDS)
            hint = f"did you mean {match}?" if match else f"the commands are {', '.join(COMMANDS)}"
            message = f"unknown command {name}; {hint}"
        self.exit(2, f"error: {message}\n")

    def _print_message(self, message: str, file: Any = None) -> None:
        # argparse would keep to itself that nothing could be written.
        if file is sys.stdout:
            print(message, end="")
        else:
            streams.complain(message.rstrip("\n"))


def module_of(command: str) -> Any:
    """The module of a command."""
    from importlib import import_module

    return import_module(f"twisterl.cli.{command}")


def _parser(program: str, command: str | None) -> argparse.ArgumentParser:
    if command is None:
        from twisterl.twisterl import __version__

        parser = _Parser(
            prog=program,
            description="Reinforcement learning for puzzle-like decision problems.",
            epilog=EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.add_argument("--version", action="version", version=f"twisterl {__version__}")
        subparsers = parser.add_subparsers(dest="command", metavar="command", required=True)
        for name in COMMANDS:
            subparsers.add_parser(name, help=module_of(name).DESCRIPTION.replace("%", "%%"))
        return parser
    module = module_of(command)
    parser = _Parser(
        prog=program,
        usage=getattr(module, "USAGE", None),
        description=module.DESCRIPTION,
        epilog=module.EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.add_options(parser)
    return parser


def main(arguments: Sequence[str] | None = None, program: str | None = None) -> int:
    """Runs a command line; the exit status is 2 for wrong input, 1 for a failure at work."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    # Idle OpenMP threads that spin slow every other thread tenfold once the cores are all taken.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    try:
        return _run(words, program)
    except BrokenPipeError:
        return 0
    except KeyboardInterrupt as interrupt:
        return getattr(interrupt, "exit_status", 130)
    except Exception as error:
        return _failure(error)


def entry(words: Sequence[str] | None = None, program: str | None = None) -> NoReturn:
    """`main` as a process: ends it with the status.

    Python would go on to unload torch's libraries one by one, which takes longer than saving a run.
    """
    signals.end_at_once()
    streams.prepare()
    try:
        status = main(words, program)
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
    atexit._run_exitfuncs()
    os._exit(streams.finish(status))


def _run(words: list[str], program: str | None) -> int:
    if not words or words[0] not in COMMANDS:
        _parser("twisterl", None).parse_args(words or ["--help"])
        return 0
    command = words.pop(0)
    parser = _parser(program or f"twisterl {command}", command)
    module = module_of(command)
    if command == "train":
        words = module.with_preset(words)
    # A board may stand after options, away from the run folder.
    takes_keys = command in ("train", "sweep")
    parse = parser.parse_known_args if takes_keys else parser.parse_known_intermixed_args
    known, rest = parse(words)
    options = [option for action in parser._actions for option in action.option_strings]
    if command == "train":
        from twisterl.config.overrides import parse_overrides

        return module.run(known, parse_overrides(rest, options))
    if command == "sweep":
        return module.run(known, rest)
    if rest:
        match = nearest(rest[0].partition("=")[0], options)
        hint = f"; did you mean {match}?" if match else ""
        parser.error(f"unexpected {rest[0]}{hint}")
    return module.run(known)


def _failure(error: Exception) -> int:
    """Says what is wrong in one line, or lets an unforeseen error show its traceback."""
    from twisterl.machines.computing import WorkerError
    from twisterl.runs.errors import RunFolderError

    foreseen = isinstance(error, (ConfigError, RunFolderError, MissingPackage))
    if os.environ.get("TWISTERL_DEBUG") or (not foreseen and _is_of_others(error)):
        raise error
    text = str(error)
    # An input that cannot be used may be an OSError too.
    if foreseen or isinstance(error, (NotImplementedError, ValueError)):
        status = 2
    elif isinstance(error, OSError):
        text = f"{error.filename or 'writing'}: {error.strerror or error}"
        status = 1
    elif isinstance(error, (FloatingPointError, MemoryError, WorkerError)):
        text, status = text or "out of memory", 1
    else:
        raise error
    streams.complain(f"error: {text}")
    return status


def _is_of_others(error: Exception) -> bool:
    """True if code that is neither ours nor Python's nor torch's raised it: a user's environment.

    Its author needs the traceback.
    """
    known = {"torch", "tensorboard", "numpy", "safetensors", "twisterl"} | sys.stdlib_module_names
    ours = os.path.dirname(os.path.dirname(__file__))
    for frame, _ in traceback.walk_tb(error.__traceback__):
        package = frame.f_globals.get("__name__", "").partition(".")[0]
        # This file may run as __main__, and so may a user's.
        if package not in known - {"__main__"} and not frame.f_code.co_filename.startswith(ours):
            return True
    return False
