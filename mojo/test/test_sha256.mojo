"""SHA-256 against the examples of its standard, and at every length around a block."""

from std.testing import TestSuite, assert_equal

from twisterl.sha256 import sha256


def test_the_examples_of_the_standard() raises:
    assert_equal(
        sha256("".as_bytes()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )
    assert_equal(
        sha256("abc".as_bytes()), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
    assert_equal(
        sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".as_bytes()),
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
    )


def test_every_length_around_a_block() raises:
    # Python's digest of its digests of 0 to 199 bytes, each its own number.
    var digests = String()
    for length in range(200):
        var content = List[UInt8]()
        for i in range(length):
            content.append(UInt8(i))
        digests += sha256(content)
    assert_equal(
        sha256(digests.as_bytes()), "7a38a844c9e159de39f0862ee2e28569a8250831150a3fbf0a59c001129b2fb2"
    )


def main() raises:
    TestSuite.discover_tests[__functions_in_module()]().run()
