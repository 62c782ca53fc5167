"""The progress of a run: one line that is redrawn on a terminal, plain lines elsewhere."""

from std.ffi import ErrNo, c_int, external_call
from std.sys import stderr

from .files import write_all
from .interrupt import F_GETFD

comptime SIGPIPE = 13
"""Number of the signal that a write sends which nobody reads any more."""


def keep_streams():
    """From now on what is printed is lost where nobody reads it, and nothing else is: `print` ends
    the process where the output is closed, and so does the signal of a closed pipe."""
    var nowhere = String("/dev/null")
    for descriptor in range(3):
        if external_call["fcntl", c_int](c_int(descriptor), c_int(F_GETFD)) < 0:
            # It gets the lowest number that is free, which is this one.
            _ = external_call["creat", c_int](
                nowhere.as_c_string_span().ptr(), c_int(0o666)
            )
    _ = external_call["sigignore", c_int](c_int(SIGPIPE))


def put(text: String) raises:
    """Writes to the output. A reader who has left misses nothing.

    Args:
        text: All of it, line ends included.

    Raises:
        If it cannot be written, to a full disk say: `print` would not tell.
    """
    var error = write_all(c_int(1), text.as_bytes())
    if error != ErrNo.SUCCESS and error != ErrNo.EPIPE:
        raise Error("standard output: ", error)


struct ProgressLine(Movable):
    """Writes lines; on a terminal each replaces the one before. Where they cannot be written it
    says so once, and they are lost."""

    var live: Bool
    """Whether the output is a terminal, where a line can be redrawn."""
    var is_open: Bool
    """A live line is waiting for its end."""
    var is_lost: Bool
    """Nothing can be written any more."""

    def __init__(out self):
        """Live if the output is a terminal."""
        self.live = external_call["isatty", c_int](c_int(1)) == 1
        self.is_open = False
        self.is_lost = False

    def show(mut self, line: String):
        """Shows `line` in place of the one before.

        Args:
            line: Text without a line end.
        """
        if self.live:
            # Not wrapped: a second row would stay when the line is redrawn.
            self._put(String("\r\x1b[2K\x1b[?7l", line, "\x1b[?7h"))
            self.is_open = True
        else:
            self.say(line)

    def say(mut self, line: String):
        """Shows `line` for good, below those before it.

        Args:
            line: Text without a line end.
        """
        self.close()
        self._put(line + "\n")

    def close(mut self):
        """Ends a live line."""
        if self.is_open:
            self.is_open = False
            self._put("\n")

    def _put(mut self, text: String):
        if self.is_lost:
            return
        try:
            put(text)
        except error:
            self.is_lost = True
            print(
                String(error, "; the run goes on without it"),
                file=stderr,
            )


def quoted_word(text: String) -> String:
    """`text` as one word of a shell's command line.

    Args:
        text: A path, say.

    Returns:
        The text itself where a shell takes it for one word, else quoted.
    """
    comptime PLAIN = "@%+=:,./-_"
    var is_plain = text != ""
    var quoted = String("'")
    for character in text.codepoint_slices():
        var byte = character.as_bytes()[0]
        is_plain = is_plain and (
            character in PLAIN
            or (ord("0") <= Int(byte) <= ord("9"))
            or (ord("a") <= Int(byte) <= ord("z"))
            or (ord("A") <= Int(byte) <= ord("Z"))
        )
        # A quote ends the quotes, and stands in quotes of the other kind.
        quoted += "'\"'\"'" if character == "'" else String(character)
    return text if is_plain else quoted + "'"


def fixed(value: Float64, digits: Int) -> String:
    """`value`, not negative, with `digits` digits after the point, rounded to the nearest.

    Args:
        value: The number, at least 0.
        digits: Digits after the point; 0: no point either.

    Returns:
        The decimal text, such as `3.10`.
    """
    var scale = 10**digits
    var whole = Int(value * Float64(scale) + 0.5)
    if digits == 0:
        return String(whole)
    var rest = String(whole % scale)
    while rest.byte_length() < digits:
        rest = "0" + rest
    return String(whole // scale, ".", rest)


def percent(share: Float64) -> String:
    """A share in 0..=1 as a percentage with one digit after the point.

    Args:
        share: In 0..=1.

    Returns:
        Text such as `93.8 %`.
    """
    return fixed(100 * share, 1) + " %"


def clock(seconds: Float64) -> String:
    """Minutes and seconds.

    Args:
        seconds: A duration; fractions of a second are dropped.

    Returns:
        Text such as `12:05`; minutes go on beyond 59.
    """
    var whole = Int(seconds)
    var rest = String(whole % 60)
    return String(whole // 60, ":", "0" if whole % 60 < 10 else "", rest)
