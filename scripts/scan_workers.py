"""Who carries out a scan: processes of this machine, or a Dask cluster."""

import argparse
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import connection
from pathlib import Path

from command_line import available_memory

from scratchnet.fast.workspace import available_cores

WORKER = 7e8  # bytes that a worker takes
MOST_WORKERS = 256
TLS = {
    "tls-ca-file": "certificate of who signed the cluster's certificates",
    "tls-cert": "certificate that this program shows to the cluster",
    "tls-key": "its private key",
}


def affordable_workers() -> int:
    """Return one worker a core, or as many as there is memory for."""
    return max(1, int(min(available_cores(), MOST_WORKERS, available_memory() // WORKER)))


@contextmanager
def workers(arguments: argparse.Namespace) -> Iterator[tuple[Executor, int]]:
    """Yield the executor asked for, and how many workers it has."""
    if arguments.scheduler:
        try:
            from distributed import Client, KilledWorker
        except ImportError as error:
            raise ValueError(f"--scheduler: {error}; install: pip install '.[cluster]'") from None
        encrypted = security(arguments)
        try:
            client = Client(arguments.scheduler, timeout="20s", security=encrypted)
        except TypeError:  # neither flags nor Dask's own settings name certificates
            raise ValueError(
                f"--scheduler {arguments.scheduler}: wanted --{', --'.join(TLS)} as well"
            ) from None
        except (OSError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise ValueError(f"--scheduler {arguments.scheduler}: {reason}") from None
        with client:
            try:
                # enough for workers that come later, too
                yield client.get_executor(), max(32, sum(client.ncores().values()))
            except KilledWorker as error:
                raise BrokenExecutor(str(error)) from None
        return
    if any(tls_files(arguments).values()):
        raise ValueError("--tls-…: wanted a --scheduler as well")
    if arguments.workers > MOST_WORKERS:
        raise ValueError(f"--workers: got {arguments.workers}, wanted 1 to {MOST_WORKERS}")
    pool = Processes(arguments.workers)
    try:
        yield pool, arguments.workers
    finally:
        # A second Ctrl-C must not interrupt this, or it would never end.
        with ctrl_c_ignored():
            pool.shutdown(cancel_futures=True)


def tls_files(arguments: argparse.Namespace) -> dict[str, Path | None]:
    """Return the files of certificates, by their flags' names."""
    return {name: getattr(arguments, name.replace("-", "_")) for name in TLS}


def security(arguments: argparse.Namespace):
    """Return Dask's settings for an encrypted connection; None leaves them to Dask's own files."""
    from distributed.security import Security

    files = tls_files(arguments)
    if not any(files.values()):
        return None
    for name, file in files.items():
        if file is None:
            raise ValueError(f"wanted all of --{', --'.join(TLS)}, got no --{name}")
        if not file.is_file():
            raise ValueError(f"--{name} {file}: no such file")
    ca, cert, key = map(str, files.values())
    return Security(
        tls_ca_file=ca, tls_client_cert=cert, tls_client_key=key, require_encryption=True
    )


class Processes(ProcessPoolExecutor):
    """Processes that leave Ctrl-C to the one that saves; each is started when there is a task."""

    def __init__(self, count: int):
        super().__init__(count, multiprocessing.get_context("spawn"), start_worker)
        self.not_started = count

    def submit(self, *task):
        """Hand out a task; the first ones start a process each.

        Before it comes to `start_worker`, a process ignores Ctrl-C if its parent did.
        """
        if not self.not_started:
            return super().submit(*task)
        self.not_started -= 1
        try:
            with ctrl_c_ignored():
                return super().submit(*task)
        except BrokenExecutor:
            raise
        except (OSError, RuntimeError) as error:
            raise BrokenExecutor(f"no more processes are granted: {error}") from None


@contextmanager
def ctrl_c_ignored() -> Iterator[None]:
    """Ignore Ctrl-C for a moment."""
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def start_worker() -> None:
    """Leave Ctrl-C to the process that started this one, and end when it is gone, whatever way."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch():
        connection.wait([multiprocessing.parent_process().sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
