"""A scan on a cluster (Dask's): the same bytes when a worker is killed half-way; encryption."""

import os
import shutil
import signal
import subprocess

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
        "--layers", "relu1_1,relu2_1", "--patches", tmp_path / "p.h5",
    )  # fmt: skip
    assert code == 0, error
    assert "from 50 pictures" in out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.h5", "p.png", "p_fields.png"]


@pytest.mark.usefixtures("no_processes")
def test_an_atlas_is_drawn_on_it(client, folder, tmp_path, run):
    pytest.importorskip("tqdm", reason="tqdm is not installed (extra 'viz')")
    address = client.scheduler_info()["address"]
    few = tmp_path / "few"
    few.mkdir()
    for name in find_pictures(folder)[:3]:
        shutil.copy(folder / name, few / name.replace("/", "_"))
    pages = []
    for n, who in enumerate([["--scheduler", address], ["--workers", 1]]):
        code, _, error = run(
            "atlas", "--images", few, "--size", 32, "--layers", "relu1_1", *who, "--all",
            "--patches", tmp_path / f"{n}.h5", "--output", tmp_path / f"atlas{n}",
        )  # fmt: skip
        assert code == 0, error
        pages.append(
            {
                path.relative_to(tmp_path / f"atlas{n}"): path.read_bytes()
                for path in sorted((tmp_path / f"atlas{n}").rglob("*.*"))
            }
        )
    assert len(pages[0]) > 64 and pages[0] == pages[1]


# ---------------------------------------------------------------- encryption


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Return flags that name a key and a certificate that signs itself, made for this test."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("certificate")
    key, cert = folder / "key.pem", folder / "cert.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=scratchnet"
    subprocess.run(
        [*command.split(), "-keyout", key, "-out", cert], capture_output=True, check=True
    )
    return {"--tls-ca-file": cert, "--tls-cert": cert, "--tls-key": key}


@pytest.fixture(scope="module")
def encrypted_cluster(certificate):
    ca, cert, key = map(str, certificate.values())
    security = distributed.security.Security(
        tls_ca_file=ca, require_encryption=True, tls_scheduler_cert=cert, tls_scheduler_key=key,
        tls_worker_cert=cert, tls_worker_key=key, tls_client_cert=cert, tls_client_key=key,
    )  # fmt: skip
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=":0", host="tls://127.0.0.1",
        security=security,
    ) as cluster:  # fmt: skip
        yield cluster


def scan_flags(folder, cluster, certificate):
    flags = [part for pair in certificate.items() for part in pair]
    return [
        "--images", folder, "--size", 32, "--layers", "relu1_1", "--patches", "p.h5",
        "--scheduler", cluster.scheduler_address, *flags,
    ]  # fmt: skip


def test_an_encrypted_cluster(encrypted_cluster, certificate, folder, run):
    pytest.importorskip("tqdm", reason="tqdm is not installed (extra 'viz')")
    assert encrypted_cluster.scheduler_address.startswith("tls://")
    code, out, error = run("top_patches", *scan_flags(folder, encrypted_cluster, certificate))
    assert code == 0, error
    assert "from 50 pictures" in out


@pytest.mark.parametrize("missing", ["all", "--tls-key", "the file"])
def test_without_its_certificates_there_is_one_line(
    encrypted_cluster, certificate, missing, folder, run
):
    given = dict(certificate)
    if missing == "all":
        given = {}
    elif missing == "the file":
        given["--tls-key"] = "none.pem"
    else:
        del given[missing]
    code, _, error = run("top_patches", *scan_flags(folder, encrypted_cluster, given))
    assert code == 2 and error.startswith("top_patches: ") and error.count("\n") == 1
    if missing == "the file":
        assert "--tls-key none.pem: no such file" in error
    if missing == "--tls-key":
        assert "got no --tls-key" in error


def test_an_open_cluster_is_refused_where_encryption_is_asked_for(client, certificate, folder, run):
    code, _, error = run("top_patches", *scan_flags(folder, client.cluster, certificate))
    assert code == 2 and error.count("\n") == 1 and "encryption required" in error
