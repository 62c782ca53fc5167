"""The command line: one file a command, each with `add_options(parser)` and `run(arguments)`."""

from twisterl.cli.program import COMMANDS, EPILOG, entry, main, module_of

__all__ = ["COMMANDS", "EPILOG", "entry", "main", "module_of"]
