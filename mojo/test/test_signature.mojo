"""The signature of this port, which plays its traces, against specs/signature.txt; Ctrl-C."""

from std.ffi import c_int, external_call
from std.testing import TestSuite, assert_equal, assert_true

from twisterl.files import read_text
from twisterl.interrupt import SIGHUP, SIGINT, SIGTERM, hold_interrupts, interrupted
from twisterl.signature import signature
from twisterl.trace import hexadecimal


def test_every_line_is_in_the_file() raises:
    var text = read_text("specs/signature.txt", 1 << 16)
    var lines = signature()
    assert_equal(len(lines), 4)
    for line in lines:
        assert_true(("\n" + line + "\n") in text, line)


def test_hexadecimal() raises:
    assert_equal(hexadecimal(0x0123456789ABCDEF), "0123456789abcdef")


def test_an_interrupt_is_told_and_ends_nothing() raises:
    for number in [SIGHUP, SIGTERM, SIGINT]:
        hold_interrupts()
        assert_equal(interrupted(), 0)
        _ = external_call["raise", c_int](c_int(number))
        assert_equal(interrupted(), number)


def main() raises:
    TestSuite.discover_tests[__functions_in_module()]().run()
