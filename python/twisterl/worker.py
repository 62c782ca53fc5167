"""Computes one range of a job and ends, for batch systems: `python -m twisterl.worker`.

`twisterl.machines.files` writes such jobs and puts the parts together.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from twisterl.cli import streams
from twisterl.cli.player import add_trust
from twisterl.faults import ConfigError


def main(words: Sequence[str] | None = None) -> int:
    """Reads --job, writes --out; the exit status is 2 for an input that cannot be used."""
    parser = argparse.ArgumentParser("python -m twisterl.worker", description=__doc__)
    add = parser.add_argument
    add("--job", required=True, metavar="FILE", help="what twisterl.machines.files.write_job wrote")
    add("--out", required=True, metavar="FILE", help="where the part goes")
    add("--first", type=int, default=0, metavar="N", help="the first of the range (default: 0)")
    add("--count", type=int, metavar="N", help="its length (default: to the end of the job)")
    add("--num_cores", "--num-cores", type=int, default=1, metavar="N", help="threads (default: 1)")
    add_trust(parser)
    given = parser.parse_args(words)
    from twisterl.machines import files

    try:
        files.compute(
            given.job, given.out, given.first, given.count, given.num_cores, trust=given.trust
        )
    except (ConfigError, ValueError) as error:
        streams.complain(f"error: {error}")
        return 2
    except (OSError, RuntimeError) as error:
        streams.complain(f"error: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(streams.run(main))
