"""Ctrl-C as something to ask for between two generations, so that a run can save first."""

from std.ffi import c_int, external_call

comptime SIGINT = 2
comptime SIG_BLOCK = 0
comptime SIGNAL_WORDS = 16
"""A `sigset_t` has 1024 bits on Linux and fewer elsewhere."""


def hold_interrupts():
    """Keeps Ctrl-C waiting until `interrupted` asks; threads started later inherit this.
    """
    var signals = Array[UInt64, SIGNAL_WORDS](fill=0)
    var pointer = signals.unsafe_ptr()
    _ = external_call["sigemptyset", c_int](pointer)
    _ = external_call["sigaddset", c_int](pointer, c_int(SIGINT))
    _ = external_call["pthread_sigmask", c_int](
        c_int(SIG_BLOCK), pointer, Int(0)
    )
    _ = signals^


def interrupted() -> Bool:
    """Whether Ctrl-C was pressed since `hold_interrupts`."""
    var signals = Array[UInt64, SIGNAL_WORDS](fill=0)
    var pointer = signals.unsafe_ptr()
    _ = external_call["sigpending", c_int](pointer)
    var waiting = (
        external_call["sigismember", c_int](pointer, c_int(SIGINT)) == 1
    )
    _ = signals^
    return waiting
