"""Commands that do several things, each with options of its own."""

from __future__ import annotations

from collections.abc import Mapping

from twisterl.faults import ConfigError, Fault


def refuse_options_of_others(doing: str, given: Mapping[str, tuple[bool, str]]) -> None:
    """Raises `ConfigError` for an option that what is done would not heed.

    Args:
        doing: what is done.
        given: by option whether it was given, and what it is of.
    """
    faults = [
        Fault(option, f"is of {owner}; leave it out")
        for option, (is_given, owner) in given.items()
        if is_given and owner != doing
    ]
    if faults:
        raise ConfigError(faults, "command line")
