"""`twisterl presets`."""

from __future__ import annotations

import argparse
import json

DESCRIPTION = "List the configs that the package brings: what each trains, how long, how well."
EPILOG = """\
examples:
  twisterl presets
  twisterl train puzzle8                        into runs/puzzle8
  twisterl train puzzle8 algorithm.seed=1       any key of the config can be set
  twisterl config show puzzle8                  all keys, and where each value comes from

Times and results are those of the benchmarks of the release, on two cores."""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the list as JSON")


def run(arguments: argparse.Namespace) -> int:
    from twisterl.cli.numbers import duration
    from twisterl.presets import presets

    known = presets().values()
    if arguments.json:
        listed = [{"name": one.name, "about": one.about, "seconds": one.seconds,
                   "result": one.result} for one in known]  # fmt: skip
        print(json.dumps(listed, indent=2))
        return 0
    rows = [("preset", "trains", "time", "reaches")]
    for one in known:
        time = "" if one.seconds is None else duration(one.seconds)
        rows.append((one.name, one.about, time, one.result or "not measured"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, about, time, result in rows:
        print(f"{name:<{widths[0]}}  {about:<{widths[1]}}  {time:>{widths[2]}}  {result}")
    return 0
