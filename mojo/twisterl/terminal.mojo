"""The progress of a run: one line that is redrawn on a terminal, plain lines elsewhere."""

from std.ffi import c_int, external_call


struct ProgressLine(Movable):
    """Writes lines; on a terminal each replaces the one before."""

    var live: Bool
    """Whether the output is a terminal, where a line can be redrawn."""
    var is_open: Bool
    """A live line is waiting for its end."""

    def __init__(out self):
        """Live if the output is a terminal."""
        self.live = external_call["isatty", c_int](c_int(1)) == 1
        self.is_open = False

    def show(mut self, line: String):
        """Shows `line` in place of the one before.

        Args:
            line: Text without a line end.
        """
        if self.live:
            print("\r\x1b[2K", line, sep="", end="", flush=True)
            self.is_open = True
        else:
            print(line, flush=True)

    def close(mut self):
        """Ends a live line."""
        if self.is_open:
            print(flush=True)
            self.is_open = False


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
