"""The subcommands of `twisterl`; each module has `add_parser(subparsers)` and `run(arguments)`."""
