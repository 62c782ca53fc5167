"""Cliffords by their two-qubit gates, in plain NumPy: layers of classes around the identity.

A class is what single-qubit Cliffords before and after make of a Clifford, signs aside, and the
renamings of qubits that map every edge of the coupling graph onto an edge: all need as many
two-qubit gates. Of each class all states are found, a state being what single-qubit Cliffords on
one side make alike: `6 ** num_qubits` elements of Sp(2 num_qubits, 2).

A Pauli is a number, two bits a qubit: 0 for the identity, 1 for X, 2 for Z, 3 for Y. Of a state the
three Paulis are known, in any order, that those of each qubit become.
"""

from __future__ import annotations

from itertools import permutations, product
from math import prod

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.uint64]
# What each single-qubit Clifford makes of the letters.
_CLIFFORDS = np.array([(0, *letters) for letters in permutations((1, 2, 3))], np.uint64)


def group_size(num_qubits: int) -> int:
    """The order of Sp(2 num_qubits, 2)."""
    n = num_qubits
    return 2 ** (n * n) * prod(4**k - 1 for k in range(1, n + 1))


def layers(num_qubits: int, edges: list[tuple[int, int]]) -> list[list[int]]:
    """By the number of two-qubit gates: the number of states of each class."""
    n = num_qubits
    renamings = [
        list(renaming)
        for renaming in permutations(range(n))
        if {frozenset(edge) for edge in edges}
        == {frozenset((renaming[a], renaming[b])) for a, b in edges}
    ]
    axes = [(p << 2 * a) | (q << 2 * b) for a, b in edges for p, q in product((1, 2, 3), repeat=2)]
    identity = _packed(np.array([[1 << 2 * q, 2 << 2 * q, 3 << 2 * q] for q in range(n)])[None], n)
    found, before = [[1]], np.zeros(0, np.uint64)
    newest = _orbit(identity[0], n, renamings)
    representatives = identity
    while True:
        beyond = np.unique(_turned(representatives, n, axes))
        beyond = beyond[~np.isin(beyond, np.concatenate([before, newest]))]
        sizes, orbits, representatives = [], [np.zeros(0, np.uint64)], []
        while len(beyond):
            orbit = _orbit(beyond[0], n, renamings)
            sizes.append(len(orbit))
            orbits.append(orbit)
            representatives.append(beyond[0])
            beyond = beyond[~np.isin(beyond, orbit)]
        if not sizes:
            return found
        found.append(sizes)
        before, newest = newest, np.concatenate(orbits)
        representatives = np.array(representatives, np.uint64)


def _packed(paulis: npt.NDArray, n: int) -> Codes:
    """Numbers of states `[N, n, 3]`, by the two smaller Paulis of each qubit."""
    two = np.sort(paulis, axis=2)[..., :2].reshape(len(paulis), 2 * n).astype(np.uint64)
    shifts = np.arange(0, 4 * n * n, 2 * n, dtype=np.uint64)
    return np.bitwise_or.reduce(two << shifts, axis=1)


def _unpacked(states: Codes, n: int) -> Codes:
    """The Paulis `[N, n, 3]`."""
    shifts = np.arange(0, 4 * n * n, 2 * n, dtype=np.uint64)
    two = (states[:, None] >> shifts & np.uint64(4**n - 1)).reshape(-1, n, 2)
    return np.concatenate([two, two[..., :1] ^ two[..., 1:]], axis=2)


def _letters(paulis: Codes, n: int) -> Codes:
    """Those of each qubit, on an axis of their own."""
    return paulis[..., None] >> np.arange(0, 2 * n, 2, dtype=np.uint64) & np.uint64(3)


def _turned(states: Codes, n: int, axes: list[int]) -> Codes:
    """What a two-qubit gate about each axis makes of each state."""
    paulis = _unpacked(states, n)
    letters = _letters(paulis, n)
    turned = []
    for axis in axes:
        other = _letters(np.uint64(axis), n)
        differ = (letters != 0) & (other != 0) & (letters != other)
        anticommute = differ.sum(-1) % 2 == 1
        turned.append(_packed(np.where(anticommute, paulis ^ np.uint64(axis), paulis), n))
    return np.concatenate(turned)


def _orbit(state: np.uint64, n: int, renamings: list[list[int]]) -> Codes:
    """All states of the class of one."""
    letters = _letters(_unpacked(np.array([state], np.uint64), n), n)[0]
    choices = np.array(list(product(range(6), repeat=n)))
    shifts = np.arange(0, 2 * n, 2, dtype=np.uint64)
    images = []
    for renaming in renamings:
        moved = letters[renaming][:, :, renaming]
        after = _CLIFFORDS[choices[:, None, None, :], moved[None].astype(int)]
        images.append(_packed(np.bitwise_or.reduce(after << shifts, axis=-1), n))
    return np.unique(np.concatenate(images))
