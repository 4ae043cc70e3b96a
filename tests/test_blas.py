"""BLAS is held to one thread and given back, whoever asks, and whatever happens."""

import threading
import time

import pytest

from scratchnet.blas import one_blas_thread
from scratchnet.units.deconvnet import energy_where_off, explain

FUNCTIONS = one_blas_thread._openblas
pytestmark = pytest.mark.skipif(FUNCTIONS is None, reason="NumPy's BLAS is not its OpenBLAS")


@pytest.fixture(autouse=True)
def two_threads():
    get, set_ = FUNCTIONS
    before = get()
    set_(2)
    yield
    assert get() == 2
    set_(before)


def threads():
    return FUNCTIONS[0]()


def test_it_is_held_and_given_back():
    with one_blas_thread:
        assert threads() == 1
    assert threads() == 2


def test_it_is_given_back_after_an_exception():
    with pytest.raises(ZeroDivisionError), one_blas_thread:
        assert threads() == 1
        raise ZeroDivisionError
    assert threads() == 2


def test_the_inner_of_two_does_not_give_it_back():
    @one_blas_thread
    def inner():
        return threads()

    with one_blas_thread:
        assert inner() == 1
        assert threads() == 1


def test_the_last_of_several_threads_gives_it_back():
    seen, both = [], threading.Barrier(3, timeout=20)

    def hold(seconds):
        with one_blas_thread:
            both.wait()
            time.sleep(seconds)
            seen.append(threads())

    holders = [threading.Thread(target=hold, args=(n / 100,)) for n in range(3)]
    for holder in holders:
        holder.start()
    for holder in holders:
        holder.join()
    assert seen == [1, 1, 1] and threads() == 2


def test_units_hold_it_while_they_walk_back(pictures, fast32):
    """A walk by hand, layer by layer, is not inside a network's own pass."""
    seen = []

    class Watch:
        name, window = "watch", (1, 1, 0)

        def forward(self, x):
            return x, None

        def backward(self, dy, cache):
            seen.append(threads())
            return dy

        def output_shape(self, shape):
            return shape

    network = fast32.with_layers([Watch(), *fast32.layers])
    for method in (explain, energy_where_off):
        method(network, pictures[0], "relu1_2", (3, 3), 5)
    assert seen == [1, 1] and threads() == 2


def test_a_network_holds_it_while_it_computes(pictures, fast32):
    seen = []

    class Watch:
        name = "watch"

        def prepare(self, network, size, scale):
            def loss(image):
                seen.append(threads())
                return 0.0, 0 * image

            return {"image": loss}

    from scratchnet import style_transfer

    style_transfer(pictures[0], terms=[Watch()], network=fast32, iterations=1)
    assert set(seen) == {1} and threads() == 2
