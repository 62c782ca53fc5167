"""Files that no crash leaves torn: written aside, flushed, then renamed."""

from std.ffi import ErrNo, c_int, external_call, get_errno
from std.os import makedirs
from std.os.path import exists, isfile

comptime LOCK_NOW = 6
"""The operation of `flock`: for one process alone, or an error at once."""


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
    var made = _make_aside(path)
    var descriptor = made[0]
    var aside = made[1]
    var error = write_all(descriptor, content)
    if (
        error == ErrNo.SUCCESS
        and external_call["fsync", c_int](descriptor) != 0
    ):
        error = get_errno()
    _ = external_call["close", c_int](descriptor)
    var problem = "" if error == ErrNo.SUCCESS else String(error)
    if problem == "":
        var status = external_call["rename", c_int](
            aside.as_c_string_span().ptr(), target.as_c_string_span().ptr()
        )
        problem = "" if status == 0 else String(get_errno())
    if problem != "":
        _ = external_call["unlink", c_int](aside.as_c_string_span().ptr())
        raise Error(path, ": cannot be written: ", problem)


def _make_aside(path: String) raises -> Tuple[c_int, String]:
    """A new file beside `path`, open for writing, and its name, which nobody can have guessed: a
    link that was planted there is not followed."""
    var name = String(path, ".tmp-", external_call["getpid", c_int](), "XXXXXX")
    var bytes = List[UInt8](name.as_bytes())
    bytes.append(0)
    var descriptor = external_call["mkstemp", c_int](bytes.unsafe_ptr())
    if descriptor < 0:
        raise Error(path, ": cannot be written: ", get_errno())
    _ = bytes.pop()
    # It is made for its owner alone; others may read it as the mask of this process says.
    var mask = external_call["umask", c_int](c_int(0))
    _ = external_call["umask", c_int](mask)
    _ = external_call["fchmod", c_int](descriptor, c_int(0o666) & ~mask)
    return descriptor, String(from_utf8=Span(bytes))


def write_all(descriptor: c_int, content: Span[UInt8, _]) -> ErrNo:
    """Writes to an open file.

    Args:
        descriptor: Its number.
        content: All that is to be written.

    Returns:
        What went wrong, `ErrNo.SUCCESS` for nothing.
    """
    var done = 0
    while done < len(content):
        var written = external_call["write", Int](
            descriptor,
            content.unsafe_ptr().unsafe_offset(done),
            len(content) - done,
        )
        if written <= 0:
            return get_errno()
        done += written
    return ErrNo.SUCCESS


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


def lock_folder(folder: String) raises -> c_int:
    """Takes the right to write into a run folder, which one training at a time has.

    The operating system holds it for the open file, so that it ends with the process; Python's
    trainings take the same.

    Args:
        folder: A folder that exists.

    Returns:
        The descriptor of the file `lock` in it; to close it gives the right back.

    Raises:
        If another training has it, naming its process, or the file cannot be opened.
    """
    var path = folder + "/lock"
    var target = path
    var letter = Array[UInt8, 1](fill=0)
    if (
        external_call["readlink", Int](
            target.as_c_string_span().ptr(), letter.unsafe_ptr(), 1
        )
        >= 0
    ):
        raise Error(path, ": is a symbolic link")
    var descriptor = _open(path)
    if descriptor < 0:
        # Linked from a new file: what is there meanwhile stays.
        var made = _make_aside(path)
        var aside = made[1]
        _ = external_call["close", c_int](made[0])
        _ = external_call["link", c_int](
            aside.as_c_string_span().ptr(), target.as_c_string_span().ptr()
        )
        _ = external_call["unlink", c_int](aside.as_c_string_span().ptr())
        descriptor = _open(path)
    if descriptor < 0:
        raise Error(path, ": cannot be opened: ", get_errno())
    if external_call["flock", c_int](descriptor, c_int(LOCK_NOW)) < 0:
        var holder = read_text(path, 1 << 10)
        _ = external_call["close", c_int](descriptor)
        raise Error(
            folder,
            ": ",
            holder.strip(),
            " is writing here; wait, or choose another folder",
        )
    var now = external_call["time", Int](0)
    var when = Array[UInt8, 64](fill=0)
    _ = external_call["ctime_r", Int](
        Pointer(to=now), when.unsafe_ptr()
    )
    var since = String()
    for i in range(24):
        since += chr(Int(when[i]))
    var text = String(
        "process ", external_call["getpid", c_int](), " (since ", since, ")\n"
    )
    _ = external_call["ftruncate", c_int](descriptor, 0)
    _ = write_all(descriptor, text.as_bytes())
    return descriptor


def unlock_folder(descriptor: c_int):
    """Gives back what `lock_folder` took.

    Args:
        descriptor: What it returned.
    """
    # Whoever held it is of no interest any more.
    _ = external_call["ftruncate", c_int](descriptor, 0)
    _ = external_call["close", c_int](descriptor)


def _open(path: String) -> c_int:
    """A descriptor to read and write an existing file, negative if that fails."""
    var target = path
    var mode = String("r+")
    var stream = external_call["fopen", Int](
        target.as_c_string_span().ptr(), mode.as_c_string_span().ptr()
    )
    if stream == 0:
        return -1
    var descriptor = external_call["dup", c_int](
        external_call["fileno", c_int](stream)
    )
    _ = external_call["fclose", c_int](stream)
    return descriptor
