"""BLAS, which does NumPy's matrix products, on one thread while this package computes.

There are two reasons. *The same bytes*: BLAS cuts a product into as many parts as it has threads,
and on some processors a sum is rounded differently in parts of another shape; on one thread, a
product depends on its factors only. *Speed*: the fast layers share their work among threads of
their own, and BLAS's would compete with them for the same cores.

So a function whose result must be the same bytes each time uses ``with one_blas_thread:`` or
``@one_blas_thread``. BLAS has one number of threads for the whole process. Among all Python threads
that are inside at once, the first to enter sets it to 1, and the last to leave sets it back. A
process that was forked has but one of its parent's threads, and only that one's entries.
"""

import ctypes
import os
from contextlib import ContextDecorator
from itertools import product
from threading import Lock, local

import numpy as np


def _openblas() -> tuple | None:
    """Return how to get and set the threads of NumPy's OpenBLAS; None if it has another BLAS."""
    library = ctypes.CDLL(np._core._multiarray_umath.__file__)  # its own libraries are found in it
    for prefix, suffix in product(("scipy_openblas_", "openblas_"), ("64_", "")):
        names = (f"{prefix}{what}_num_threads{suffix}" for what in ("get", "set"))
        functions = tuple(getattr(library, name, None) for name in names)
        if all(functions):
            return functions
    return None


class _Entries(local):
    """How often a thread is inside."""

    count = 0


class _OneBlasThread(ContextDecorator):
    """A context that may be entered again, and by several Python threads at once."""

    def __init__(self):
        self._lock, self._inside, self._own = Lock(), 0, _Entries()
        self._openblas, self._pools = _openblas(), None
        if not self._openblas:
            try:
                from threadpoolctl import ThreadpoolController

                self._pools = ThreadpoolController()
            except ImportError:
                pass  # still right, but the last bits may depend on the number of threads
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self._lock.acquire,
                after_in_parent=self._lock.release,
                after_in_child=self._in_child,
            )

    def __enter__(self):
        with self._lock:
            if self._inside == 0:
                self._give_back = self._hold()
            self._inside += 1
            self._own.count += 1
        return self

    def __exit__(self, *error):
        with self._lock:
            self._inside -= 1
            self._own.count -= 1
            if self._inside == 0:
                self._give_back()

    def _in_child(self):
        """Forget the entries of threads that a forked process does not have."""
        inside, self._inside = self._inside, self._own.count
        self._lock.release()
        if inside and not self._inside:
            self._give_back()

    def _hold(self):
        """Set BLAS to one thread; return the function that sets it back."""
        if self._openblas:
            get, set_ = self._openblas
            before = get()
            set_(1)
            return lambda: set_(before)
        if self._pools:
            return self._pools.limit(limits=1, user_api="blas").restore_original_limits
        return lambda: None


one_blas_thread = _OneBlasThread()
