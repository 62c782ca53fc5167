"""`python -m twisterl`, the same as `twisterl`."""

from twisterl.cli import entry

entry()
