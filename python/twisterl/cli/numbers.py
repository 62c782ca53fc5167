"""How numbers are written for people."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """
    >>> duration(59.4), duration(3725)
    ('59s', '1h02m')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def seconds(number: float) -> str:
    """A duration whose tenths matter while it is short.

    >>> seconds(0.5), seconds(12.5), seconds(125.0)
    ('0.5s', '12.5s', '2m05s')
    """
    return f"{number:g}s" if number < 60 else duration(number)


def count(number: float) -> str:
    """
    >>> count(987), count(12_345), count(4_200_000)
    ('987', '12.3k', '4.2M')
    """
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.1f}{unit}"
    return f"{number:.0f}"
