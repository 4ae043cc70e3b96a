"""Matrix products in pieces that are small enough.

Before OpenBLAS multiplies two matrices it packs them into memory of its own. On processors with
AVX-512 it leaves that out for products of up to a million multiplications, and where one side is
short that saves a third to a half of the time; elsewhere pieces take as long as the whole. How
they are cut depends on the factors only, so the bytes do too.
"""

import numpy as np

SMALL = 10**6  # multiplications
FEWEST = 128  # rows in a piece: with fewer, what is gained is lost elsewhere


def multiply(A: np.ndarray, B: np.ndarray, out: np.ndarray) -> None:
    """Set ``out`` to A B, some rows of A at a time if B is small.

    Parameters
    ----------
    A : ndarray, (rows, n)
    B : ndarray, (n, columns)
    out : ndarray, (rows, columns)

    Examples
    --------
    >>> A, B, out = np.arange(6).reshape(3, 2), np.array([[1, 0], [1, 1]]), np.zeros((3, 2), int)
    >>> multiply(A, B, out)
    >>> out.tolist()
    [[1, 1], [5, 3], [9, 5]]
    """
    rows = SMALL // B.size // 16 * 16
    if rows < FEWEST:
        np.matmul(A, B, out=out)
        return
    whole = len(A) // rows * rows
    pieces = out[:whole].reshape(-1, rows, out.shape[1])
    np.matmul(A[:whole].reshape(-1, rows, A.shape[1]), B, out=pieces)
    np.matmul(A[whole:], B, out=out[whole:])


def column_pieces(columns: int, multiplications: int) -> int:
    """Return into how many equal pieces columns should be cut, each of so many multiplications.

    Examples
    --------
    >>> column_pieces(256, 8 * 8 * 64), column_pieces(255, 8 * 8 * 64), column_pieces(100, 64)
    (2, 3, 1)
    """
    for k in range(1, columns):
        if columns % k == 0 and columns // k * multiplications <= SMALL:
            return k
    return 1
