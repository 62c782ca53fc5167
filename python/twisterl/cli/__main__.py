"""`python -m twisterl.cli`, the same as `twisterl`."""

from twisterl.cli.program import entry

entry()
