"""The run folder, under the name that programs know; it is in `twisterl.runs`."""

from twisterl.runs.commits import Commit
from twisterl.runs.errors import CheckpointError, RunFolderError
from twisterl.runs.folder import RunFolder

__all__ = ["CheckpointError", "Commit", "RunFolder", "RunFolderError"]
