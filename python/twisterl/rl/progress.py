"""The progress of a run, under the name that programs know; it is in `twisterl.runs`."""

from twisterl.runs.progress import Progress

__all__ = ["Progress"]
