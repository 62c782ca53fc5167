"""What is wrong with a run folder or a checkpoint."""

from __future__ import annotations

from twisterl.faults import InputError


class RunFolderError(Exception):
    """A run folder that cannot be used as asked; the text says what to do."""


class CheckpointError(InputError):
    """A checkpoint that cannot be used or must not be written; the text names file and tensor.

    It is an `OSError`, such as `FileNotFoundError`, too where the file cannot be opened, and a
    `RuntimeError` where the tensors do not fit the policy.
    """
