"""The shared files in `specs`; the tests run at the root of the repository."""

from twisterl.files import read_text
from twisterl.json import Json


def read_golden(name: String) raises -> Json:
    """The golden file `name`."""
    return Json.parse(read_text("specs/golden/" + name + ".json", 1 << 22))


def word(document: Json, node: Int) raises -> UInt64:
    """A word written as 16 hexadecimal digits."""
    var result = UInt64(0)
    for byte in document.text(node).as_bytes():
        var digit = Int(byte) - ord("0") if byte <= UInt8(ord("9")) else Int(byte) - ord("a") + 10
        result = result * 16 + UInt64(digit)
    return result


def at(document: Json, node: Int, key: String) raises -> Int:
    """The value under `key`, which must be there."""
    var found = document.member(node, key)
    if found < 0:
        raise Error("the golden file lacks ", key)
    return found


def number(document: Json, node: Int, key: String) raises -> Int:
    """The integer under `key`."""
    return document.integer(at(document, node, key))
