"""A scan on a cluster (Dask's), a worker of which is killed half-way: the same bytes."""

import os
import signal

import pytest
from conftest import SMALL_SCAN

from scratchnet.files.images import find_pictures
from scratchnet.units.scan.run import scan

distributed = pytest.importorskip(
    "distributed", reason="distributed is not installed (extra 'cluster')"
)


@pytest.fixture(scope="module")
def client():
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def test_a_worker_is_killed_half_way(client, folder, serial, tmp_path):
    killed = []

    def kill(progress):
        if progress.done >= 16 and not killed:
            workers = client.run(os.getpid)
            killed.append(workers[min(workers)])
            os.kill(killed[0], signal.SIGKILL)

    scan(folder, find_pictures(folder), SMALL_SCAN, tmp_path / "p.h5",
         executor=client.get_executor(), callback=kill)  # fmt: skip
    assert killed and killed[0] not in client.run(os.getpid).values()
    assert (tmp_path / "p.h5").read_bytes() == serial


def test_the_script_takes_a_scheduler(client, folder, tmp_path, run):
    pytest.importorskip("tqdm", reason="tqdm is not installed (extra 'viz')")
    address = client.scheduler_info()["address"]
    code, out, error = run(
        "top_patches", "--images", folder, "--size", 32, "--scheduler", address,
        "--layers", "relu1_1,relu2_1", "--output", tmp_path / "p.h5",
    )  # fmt: skip
    assert code == 0, error
    assert "from 50 pictures" in out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.h5", "p.png", "p_fields.png"]
