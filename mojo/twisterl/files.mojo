"""Files that no crash leaves torn: written aside, flushed, then renamed."""

from std.ffi import c_int, external_call, get_errno
from std.os import makedirs
from std.os.path import exists, isfile


def write_atomic(path: String, content: Span[UInt8, _]) raises:
    """Replaces the file at `path` by `content`, wholly or not at all.

    Args:
        path: The file to make or replace, in a folder that exists.
        content: Its bytes.

    Raises:
        Naming the file, if the disk is full or the folder cannot be written; the old file stays.
    """
    # The file of the standard library ends the process when the disk is full.
    var target = path
    var aside = String(path, ".tmp-", external_call["getpid", c_int]())
    var descriptor = external_call["creat", c_int](
        aside.as_c_string_span().ptr(), c_int(0o666)
    )
    if descriptor < 0:
        raise Error(path, ": cannot be written: ", get_errno())
    var problem = _write_all(descriptor, content)
    _ = external_call["close", c_int](descriptor)
    if problem == "":
        var status = external_call["rename", c_int](
            aside.as_c_string_span().ptr(), target.as_c_string_span().ptr()
        )
        problem = "" if status == 0 else String(get_errno())
    if problem != "":
        _ = external_call["unlink", c_int](aside.as_c_string_span().ptr())
        raise Error(path, ": cannot be written: ", problem)


def _write_all(descriptor: c_int, content: Span[UInt8, _]) -> String:
    """Writes and flushes; what went wrong, or nothing."""
    var done = 0
    while done < len(content):
        var written = external_call["write", Int](
            descriptor,
            content.unsafe_ptr().unsafe_offset(done),
            len(content) - done,
        )
        if written <= 0:
            return String(get_errno())
        done += written
    return "" if external_call["fsync", c_int](descriptor) == 0 else String(
        get_errno()
    )


def read_file(path: String, max_bytes: Int) raises -> List[UInt8]:
    """The content of the regular file at `path`.

    Args:
        path: The file.
        max_bytes: The largest size that is read.

    Returns:
        Its bytes.

    Raises:
        Naming the file, if it is missing, no regular one, or larger than `max_bytes`.
    """
    if not exists(path):
        raise Error(path, ": no such file")
    if not isfile(path):
        raise Error(path, ": is not a regular file")
    var content: List[UInt8]
    try:
        with open(path, "r") as file:
            content = file.read_bytes(max_bytes + 1)
    except error:
        raise Error(path, ": cannot be read: ", error)
    if len(content) > max_bytes:
        raise Error(path, ": has more than ", max_bytes, " bytes")
    return content^


def read_text(path: String, max_bytes: Int) raises -> String:
    """The text in the file at `path`.

    Args:
        path: The file.
        max_bytes: The largest size that is read.

    Returns:
        Its content, known to be UTF-8.

    Raises:
        As `read_file`, and if it is not UTF-8.
    """
    var content = read_file(path, max_bytes)
    try:
        return String(from_utf8=Span(content))
    except:
        raise Error(path, ": is not UTF-8")


def make_folder(path: String) raises:
    """Makes the folder `path` and those above it.

    Args:
        path: A folder that may be there already.

    Raises:
        If something else is in the way.
    """
    if isfile(path):
        raise Error(path, ": is a file; expected a folder for the run")
    try:
        makedirs(path, exist_ok=True)
    except:
        raise Error(path, ": the folder cannot be made")
