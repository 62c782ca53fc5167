"""A folder for the files of a test."""

from std.tempfile import TemporaryDirectory


struct Scratch:
    """Removed at the end of its `with` block, which what the block raises leaves.

    `TemporaryDirectory` alone takes an error for handled, so that no assertion in it fails a test.
    """

    var folder: TemporaryDirectory

    def __init__(out self) raises:
        self.folder = TemporaryDirectory(ignore_cleanup_errors=True)

    def __enter__(self) -> String:
        return self.folder.__enter__()

    def __exit__(self) raises:
        self.folder.__exit__()

    def __exit__(self, error: Error) raises -> Bool:
        self.folder.__exit__()
        return False
