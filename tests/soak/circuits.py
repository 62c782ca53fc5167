"""Random circuits of every kind, synthesized and verified.

    python tests/soak/circuits.py --count 10000 --first 75

Each is of few qubits, on the map of its seed, with a proven optimum, and is compared as a tableau
and, up to four qubits, as an `Operator`. Seeds below 75 are those of the tests.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))
from circuit_cases import KINDS, check_random
from twisterl.quantum import Fallback


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=10_000, help="circuits (10,000)")
    parser.add_argument("--first", type=int, default=75, help="seed of the first four (75)")
    options = parser.parse_args()
    warnings.simplefilter("ignore", Fallback)
    for number in range(options.count):
        kind, seed = KINDS[number % len(KINDS)], options.first + number // len(KINDS)
        try:
            check_random(kind, seed)
        except Exception:
            print(f"{kind}, seed {seed}:", file=sys.stderr)
            raise
        if (number + 1) % 1000 == 0 or number + 1 == options.count:
            print(f"{number + 1} circuits, all right", flush=True)


if __name__ == "__main__":
    main()
