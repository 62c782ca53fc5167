"""CRC-32C (Castagnoli; RFC 3720, appendix B.4), which the standard library lacks."""

from __future__ import annotations


def crc32c(data: bytes) -> int:
    """The checksum of `data`, 32 bits.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _OF_BYTE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def _of_byte(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
    return byte


_OF_BYTE = tuple(map(_of_byte, range(256)))
