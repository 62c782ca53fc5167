"""What the ports in Python share: answer the requests of a file, one JSON line each."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "reference"))
# Before NumPy is imported: there is a check for each processor, none has two.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

Request = dict[str, Any]


def serve(tasks: dict[str, Callable[[Request], Request]]) -> None:
    """Answers the requests in the file that the command line names."""
    for request in json.loads(Path(sys.argv[1]).read_text()):
        print(json.dumps(tasks[request["task"]](request)), flush=True)
