"""How much fits into this machine."""

from __future__ import annotations

import os


def physical_bytes() -> int | None:
    """Bytes of memory of the machine, None where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None
