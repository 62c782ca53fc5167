"""SHA-256, as FIPS 180-4 describes it."""

from std.bit import rotate_bits_right

from .moves import InlineArray

comptime Words = InlineArray[UInt32, 64]
"""The 64 words that a block is stretched to."""


def constants() -> Words:
    """The first 32 bits of the fractions of the cube roots of the first 64 primes.

    Returns:
        One for each round.
    """
    # fmt: off
    return [
        0x428A2F98, 0x71374491, 0xB5C0FBCF, 0xE9B5DBA5, 0x3956C25B, 0x59F111F1, 0x923F82A4, 0xAB1C5ED5,
        0xD807AA98, 0x12835B01, 0x243185BE, 0x550C7DC3, 0x72BE5D74, 0x80DEB1FE, 0x9BDC06A7, 0xC19BF174,
        0xE49B69C1, 0xEFBE4786, 0x0FC19DC6, 0x240CA1CC, 0x2DE92C6F, 0x4A7484AA, 0x5CB0A9DC, 0x76F988DA,
        0x983E5152, 0xA831C66D, 0xB00327C8, 0xBF597FC7, 0xC6E00BF3, 0xD5A79147, 0x06CA6351, 0x14292967,
        0x27B70A85, 0x2E1B2138, 0x4D2C6DFC, 0x53380D13, 0x650A7354, 0x766A0ABB, 0x81C2C92E, 0x92722C85,
        0xA2BFE8A1, 0xA81A664B, 0xC24B8B70, 0xC76C51A3, 0xD192E819, 0xD6990624, 0xF40E3585, 0x106AA070,
        0x19A4C116, 0x1E376C08, 0x2748774C, 0x34B0BCB5, 0x391C0CB3, 0x4ED8AA4A, 0x5B9CCA4F, 0x682E6FF3,
        0x748F82EE, 0x78A5636F, 0x84C87814, 0x8CC70208, 0x90BEFFFA, 0xA4506CEB, 0xBEF9A3F7, 0xC67178F2,
    ]
    # fmt: on


def sha256(content: Span[UInt8, _]) -> String:
    """The digest of `content`.

    Args:
        content: Any number of bytes.

    Returns:
        64 hexadecimal digits, in lower case.
    """
    var bytes = List[UInt8](content)
    bytes.append(0x80)
    while len(bytes) % 64 != 56:
        bytes.append(0)
    var bits = UInt64(8 * len(content))
    for i in range(8):
        bytes.append(UInt8((bits >> UInt64(56 - 8 * i)) & 255))
    # The fractions of the square roots of the first 8 primes.
    var state: InlineArray[UInt32, 8] = [
        0x6A09E667,
        0xBB67AE85,
        0x3C6EF372,
        0xA54FF53A,
        0x510E527F,
        0x9B05688C,
        0x1F83D9AB,
        0x5BE0CD19,
    ]
    for start in range(0, len(bytes), 64):
        add_block(state, Span(bytes)[start : start + 64])
    comptime digits = "0123456789abcdef"
    var text = String()
    for word in state:
        for i in range(8):
            var digit = Int((word >> UInt32(28 - 4 * i)) & 15)
            text += String(digits[byte=digit])
    return text^


def add_block(mut state: InlineArray[UInt32, 8], block: Span[UInt8, _]):
    """Moves `state` on by one block.

    Args:
        state: The eight words of the hash.
        block: 64 bytes.
    """
    comptime K = constants()
    var k = materialize[K]()
    var w = Words(fill=0)
    for i in range(16):
        for byte in range(4):
            w[i] = (w[i] << 8) | UInt32(block[4 * i + byte])
    for i in range(16, 64):
        var near = w[i - 2]
        var far = w[i - 15]
        w[i] = (
            w[i - 16]
            + w[i - 7]
            + (
                rotate_bits_right[7](far)
                ^ rotate_bits_right[18](far)
                ^ (far >> 3)
            )
            + (
                rotate_bits_right[17](near)
                ^ rotate_bits_right[19](near)
                ^ (near >> 10)
            )
        )
    var s = state.copy()
    for i in range(64):
        var first = (
            s[7]
            + (
                rotate_bits_right[6](s[4])
                ^ rotate_bits_right[11](s[4])
                ^ rotate_bits_right[25](s[4])
            )
            + ((s[4] & s[5]) ^ (~s[4] & s[6]))
            + k[i]
            + w[i]
        )
        var second = (
            rotate_bits_right[2](s[0])
            ^ rotate_bits_right[13](s[0])
            ^ rotate_bits_right[22](s[0])
        ) + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]))
        s = [
            first + second,
            s[0],
            s[1],
            s[2],
            s[3] + first,
            s[4],
            s[5],
            s[6],
        ]
    for i in range(8):
        state[i] += s[i]
