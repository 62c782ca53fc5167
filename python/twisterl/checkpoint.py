"""The run folder, under the name that programs know; it is in `twisterl.runs`."""

from twisterl.runs.folder import Commit, RunFolder, RunFolderError

__all__ = ["Commit", "RunFolder", "RunFolderError"]
