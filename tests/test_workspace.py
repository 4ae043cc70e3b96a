"""Memory that is used again, but never under somebody's hands; and threads."""

import copy
import faulthandler
import gc
import multiprocessing
import sys
import threading
import time

import numpy as np
import pytest

from scratchnet import VGG
from scratchnet.blas import one_blas_thread
from scratchnet.fast.memory import PAGE, Arena, Scratch
from scratchnet.fast.workspace import Workspace, fill_buffers


def address(array):
    return array.__array_interface__["data"][0]


def test_memory_is_used_again_only_when_nobody_holds_it():
    pool = Arena()
    first = pool.empty((100, 10), np.float32)
    first[:] = 1
    part = first[3:5].T  # a view of a view still holds it
    where = address(first)
    del first
    second = pool.empty((100, 10), np.float32)
    second[:] = 2
    assert address(second) != where and (part == 1).all()
    del part
    third = pool.empty((50, 20), np.float32)
    assert address(third) == where


def test_an_array_outlives_its_workspace():
    array = Workspace(1).maps.empty((2**20,), np.float32)
    array[:] = 3
    gc.collect()
    assert (array == 3).all()


def test_what_nobody_uses_goes_back_to_the_system():
    arena = Arena()
    held, free = (arena.empty((PAGE,), np.uint8) for _ in range(2))
    held[:] = 7
    del free
    larger = arena.empty((2 * PAGE,), np.uint8)
    assert arena.size == 3 * PAGE
    assert (held == 7).all() and larger.size == 2 * PAGE


@pytest.mark.parametrize("size", [10, PAGE])
def test_scratch_is_used_again_and_grows(size):
    scratch, kind = Scratch(), np.dtype(np.uint8)
    first = scratch.empty("slot", (size,), kind)
    assert scratch.empty("slot", (size,), kind) is first
    assert address(scratch.empty("slot", (5, 2), kind)) == address(first)
    assert scratch.empty("slot", (2 * size,), kind).shape == (2 * size,)
    zeros = scratch.zeros((size,), kind)
    assert not zeros.any() and not zeros.flags.writeable


def test_the_smallest_piece_that_fits_is_taken():
    pool = Arena()
    pieces = [pool.empty((n,), np.float64) for n in (4000, 8, 1000, 8, 2000, 8)]
    where = [address(piece) for piece in pieces]
    del pieces[4], pieces[2], pieces[0]
    assert address(pool.empty((1500,), np.float64)) == where[4]


def test_pieces_are_cut_and_joined():
    pool = Arena()
    whole = pool.empty((PAGE,), np.uint8)
    where = address(whole)
    del whole
    quarters = [pool.empty((PAGE // 4,), np.uint8) for _ in range(4)]
    assert {address(quarter) - where for quarter in quarters} == {0, 2**19, 2**20, 3 * 2**19}
    for n in (2, 0, 3, 1):  # come back in any order
        quarters[n] = None
    size = pool.size
    assert address(pool.empty((PAGE,), np.uint8)) == where and pool.size == size


def test_free_blocks_go_back_before_a_larger_one_is_asked_for():
    pool, other = Arena(), Arena()
    held = pool.empty((PAGE,), np.uint8)
    before = pool.size
    pool.empty((4 * PAGE,), np.uint8)  # nobody holds it
    large, same = pool.empty((8 * PAGE,), np.uint8), other.empty((8 * PAGE,), np.uint8)
    assert pool.size == before + other.size
    held[:], large[:], same[:] = 1, 2, 3
    assert (held == 1).all()


@pytest.mark.parametrize("seed", range(3))
def test_arrays_in_use_never_overlap(seed):
    rng = np.random.default_rng(seed)
    pool, held = Arena(), []
    for n in range(400):
        if held and rng.random() < 0.5:
            value, array = held.pop(rng.integers(len(held)))
            assert (array == value).all()
            del array
        else:
            held.append((n, pool.empty((int(10 ** rng.uniform(0, 6.5)),), np.int16)))
            held[-1][1][:] = n
    assert all((array == value).all() for value, array in held)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, complex])
def test_arrays_are_aligned_and_as_asked(dtype):
    array = Arena().empty((3, 5), dtype)
    assert array.shape == (3, 5) and array.dtype == dtype
    assert address(array) % 64 == 0 and array.flags.c_contiguous and array.flags.writeable


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_map_keeps_the_order(threads):
    assert Workspace(threads).map(lambda n: n * n, range(50)) == [n * n for n in range(50)]
    assert Workspace(threads).map(str, []) == []


def test_map_uses_its_threads():
    both = threading.Barrier(2, timeout=20)  # passed only if two items are computed at a time
    Workspace(2).map(lambda _: both.wait(), range(2))


@pytest.mark.parametrize("threads", [1, 3])
def test_map_raises_what_an_item_raised(threads):
    with pytest.raises(ZeroDivisionError):
        Workspace(threads).map(lambda n: 1 // n, [1, 2, 0, 3])


@pytest.mark.parametrize("threads", [0, -1, 257])
def test_how_many_threads_there_may_be(threads):
    with pytest.raises(ValueError, match=f"got {threads} threads, wanted 1 to 256"):
        Workspace(threads)
    assert Workspace(256).threads == 256


@pytest.mark.parametrize("granted", [0, 2])
def test_where_few_threads_are_granted_few_compute(granted, monkeypatch):
    start, started = threading.Thread.start, []

    def limited(thread):
        if len(started) == granted:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)

    def slow(n):
        time.sleep(0.005)  # so that no thread is idle before all have been asked for
        return n * n

    workspace = Workspace(8)
    for _ in range(3):
        assert workspace.map(slow, range(20)) == [n * n for n in range(20)]
        assert workspace.granted == granted + 1
        started.clear()  # those of before have ended, or are used again


def test_an_error_is_raised_where_few_threads_are_granted(monkeypatch):
    def no_more(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", no_more)
    with pytest.raises(ZeroDivisionError):
        Workspace(3).map(lambda n: 1 // n, [1, 2, 0, 3])


# ---------------------------------------------------------------- forked processes

SECONDS = 30  # a child that waits for ever is given up then

forking = pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="this system does not fork"
)


def in_a_child(function):
    """Return what a function returns in a forked process."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def answer():
        faulthandler.dump_traceback_later(SECONDS - 5)  # says where it waits
        sender.send(function())

    child = context.Process(target=answer)
    child.start()
    sender.close()  # so that the end of a child that ends without an answer is seen
    try:
        assert receiver.poll(SECONDS), "the child does not answer"
        return receiver.recv()
    finally:
        child.kill()
        child.join()


@forking
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_process_computes_with_threads_of_its_own():
    workspace = Workspace(2)
    assert workspace.map(str, range(4)) == list("0123")

    def both_at_once():
        barrier = threading.Barrier(2, timeout=SECONDS / 2)
        return workspace.map(lambda n: barrier.wait() >= 0, range(2))

    assert in_a_child(both_at_once) == [True, True]
    assert workspace.map(str, range(4)) == list("0123")  # the parent's are still there


@forking
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_process_has_the_same_numbers_from_a_used_network(fast32, pictures):
    content, _ = pictures
    layers = ["relu3_1"]

    def passes():
        activations, caches = fast32.forward(content, layers)
        return fast32.backward(dict(activations), caches).tobytes()

    here = passes()
    assert in_a_child(passes) == here == passes()


@forking
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_process_may_be_forked_while_others_take_memory_and_hold_blas():
    stop, inside = threading.Event(), threading.Event()
    arena = Arena()

    def churn():
        # A lock of coverage's tracer that is held while another thread forks stays held for ever in
        # the child: so these threads are not traced.
        sys.settrace(None)
        while not stop.is_set():
            for n in range(1, 9):
                arena.empty((n * 100,), np.uint8)

    def hold():
        with one_blas_thread:
            inside.set()
            stop.wait()

    def answer():
        with one_blas_thread:
            arena.empty((10,), np.uint8)
        return one_blas_thread._inside, arena.empty((5,), np.uint8).shape

    others = [threading.Thread(target=churn) for _ in range(2)] + [threading.Thread(target=hold)]
    for other in others:
        other.start()
    inside.wait()
    try:
        for _ in range(20):
            assert in_a_child(answer) == (0, (5,))
    finally:
        stop.set()
        for other in others:
            other.join()


@forking
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_process_that_is_forked_while_it_holds_blas_still_holds_it():
    with one_blas_thread:
        assert in_a_child(lambda: one_blas_thread._inside) == 1


def test_a_copy_shares_nothing():
    workspace = Workspace(2)
    twin = copy.deepcopy(workspace)
    assert twin.threads == 2 and twin.maps is not workspace.maps


def test_one_network_may_serve_several_threads(rng):
    network = VGG.load()
    images = rng.uniform(0, 255, (4, 40, 32, 3))
    expected = [network.forward(image, ["relu2_2"])[0]["relu2_2"] for image in images]
    found = [None] * 4

    def run(n):
        for _ in range(3):
            found[n] = network.forward(images[n], ["relu2_2"])[0]["relu2_2"]

    runners = [threading.Thread(target=run, args=(n,)) for n in range(4)]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join()
    assert all(np.array_equal(a, b) for a, b in zip(expected, found, strict=True))


def test_as_many_threads_as_asked_for_begin_with_a_product_at_once(monkeypatch):
    together = threading.Barrier(3, timeout=20)

    class Square:
        def __matmul__(self, other):
            together.wait()  # raises if one of the three never comes

    monkeypatch.setattr("scratchnet.fast.workspace.np.ones", lambda *_: Square())
    fill_buffers.__wrapped__(3)
    assert not together.broken
