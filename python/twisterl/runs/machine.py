"""What a run was made on: facts for its page, and nothing that names anybody's machine."""

from __future__ import annotations

import os
import platform
from typing import Any

from twisterl import memory, on_demand, twisterl


def facts() -> dict[str, Any]:
    """The processor, the memory and the versions of this process."""
    memory_bytes = memory.physical_bytes()
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": None if memory_bytes is None else round(memory_bytes / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "twisterl": twisterl.__version__,
        "torch": on_demand.version(),
    }


def _processor() -> str:
    """As Linux calls it; elsewhere what Python knows."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
