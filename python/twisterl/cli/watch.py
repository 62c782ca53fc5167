"""`twisterl watch`."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisterl.faults import ConfigError, Fault

if TYPE_CHECKING:
    from twisterl.runs.history import History

DESCRIPTION = "Watch a run, in the terminal or as one page, while it trains or afterwards."
EPILOG = """\
examples:
  twisterl watch runs/ppo_puzzle8_v1
      its curves and figures until the training ends; Ctrl-C leaves, the training goes on
  twisterl watch runs/ppo_puzzle8_v1 --html run.html
      the same as one page, which is written anew while the run trains and then shows itself anew:
      curves, figures, config and machine, light or dark, without scripts and without a network
  twisterl watch runs/ppo_puzzle8_v1 --html run.html --once
      as the run is now

All is read from the run folder: another process, or another machine with that folder, may train."""


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("run", metavar="RUN_DIR", help="folder of a training run")
    add("--html", metavar="FILE", help="write one page instead")
    add("--once", action="store_true", help="as it is now, though it trains")
    add("--interval", type=float, default=1.0, metavar="S", help="seconds between two looks")


def run(arguments: argparse.Namespace) -> int:
    from twisterl.cli.outputs import writable
    from twisterl.cli.signals import interruptible
    from twisterl.runs import history

    if not 0.1 <= arguments.interval <= 3600:
        problem = f"got {arguments.interval}; expected 0.1 to 3600 seconds"
        raise ConfigError([Fault("--interval", problem)], "command line")
    with interruptible():
        found = history.read(arguments.run)
        if arguments.html is not None:
            _write_pages(found, writable("--html", arguments.html), arguments)
        elif _is_terminal() and found.is_running and not arguments.once:
            _show_live(found, arguments.interval)
        else:
            _show(found)
    return 0


def _write_pages(run: History, path: Path, arguments: argparse.Namespace) -> None:
    from twisterl.pictures.run_page import run_page
    from twisterl.runs.files import write_atomic

    content = run_page(run).encode()
    write_atomic(path, content)
    print(f"{path}: {len(content):,} bytes; open it in a browser", flush=True)
    if run.is_running and not arguments.once:
        print("it follows the training; Ctrl-C ends that", flush=True)
    while run.is_running and not arguments.once:
        time.sleep(arguments.interval)
        run.update()
        write_atomic(path, run_page(run).encode())


def _show(run: History) -> None:
    from rich.console import Console

    from twisterl.cli.screen import Screen

    console = Console(highlight=False)
    width = min(console.width, 160)
    # Lines that are kept in a file need not fit anywhere.
    height = console.height if console.is_terminal else 60
    console.print(Screen(run, width, height, False, _has_dots(console)), width=width)


def _show_live(run: History, interval: float) -> None:
    from rich.console import Console
    from rich.live import Live

    from twisterl.cli.screen import Screen

    console = Console(highlight=False)

    def drawn(is_live: bool) -> Screen:
        return Screen(run, min(console.width, 160), console.height - 1, is_live, _has_dots(console))

    with Live(drawn(True), console=console, auto_refresh=False, screen=True) as live:
        while run.is_running:
            time.sleep(interval)
            run.update()
            live.update(drawn(True), refresh=True)
    _show(run)


def _is_terminal() -> bool:
    try:
        return sys.stdout.isatty()
    except (AttributeError, ValueError):
        return False


def _has_dots(console: Any) -> bool:
    """Whether what `console` writes can hold the letters of `braille`."""
    try:
        "\u2800".encode(console.encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True
