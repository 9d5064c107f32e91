"""Only those who may run code reach a cluster's scheduler."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from distributed.security import Security

from headlines.compute.dask.connection import _require_tls
from headlines.errors import InputError

from .conftest import Cluster, Job, digests

BEYOND = "tls://192.0.2.1:8786"  # an address for examples
VARIABLES = {
    "DASK_DISTRIBUTED__COMM__TLS__CA_FILE": "ca.pem",
    "DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT": "cert.pem",
    "DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY": "key.pem",
}


def write_certificates(folder: Path) -> dict[str, str]:
    """Make a certificate that is its own authority; give the variables that name it to a client."""
    security = Security.temporary()
    folder.mkdir()
    for name, text in {
        "ca": security.tls_ca_file,
        "cert": security.tls_client_cert,
        "key": security.tls_client_key,
    }.items():
        (folder / f"{name}.pem").write_text(text)
    return {name: str(folder / file) for name, file in VARIABLES.items()}


@pytest.mark.parametrize(
    ("scheduler", "worker", "refused"),
    [
        ("tcp://127.0.0.1:1", "tcp://127.0.0.1:2", None),
        ("tls://192.0.2.1:1", "tls://192.0.2.2:2", None),
        ("tcp://192.0.2.1:1", "tcp://127.0.0.1:2", "tcp://192.0.2.1:1"),  # listens everywhere
        ("tcp://127.0.0.1:1", "tcp://192.0.2.2:2", "tcp://192.0.2.2:2"),
        ("tls://192.0.2.1:1", "tcp://192.0.2.2:2", "tcp://192.0.2.2:2"),
    ],
)
def test_every_address_is_on_this_machine_or_has_tls(
    scheduler: str, worker: str, refused: str | None
) -> None:
    info = {"address": scheduler, "workers": {"tls://127.0.0.1:3": {}, worker: {}}}
    client = SimpleNamespace(scheduler_info=lambda n_workers: info)
    if refused is None:
        _require_tls(client)
    else:
        with pytest.raises(InputError, match="without TLS") as caught:
            _require_tls(client)
        assert caught.value.location == refused


@pytest.mark.parametrize("missing", list(VARIABLES)[:2])
def test_no_connection_without_certificates(tmp_path: Path, missing: str) -> None:
    variables = write_certificates(tmp_path / "tls")
    del variables[missing]
    message = f"InputError: HEADLINES_DASK={BEYOND}: no certificate for the TLS connection"
    assert message in connecting(variables)


def test_an_invalid_key_is_named_and_not_shown(tmp_path: Path) -> None:
    variables = write_certificates(tmp_path / "tls")
    key = tmp_path / "tls" / "key.pem"
    key.write_text("hush")
    error = connecting(variables)
    assert "a certificate cannot be used" in error
    assert str(key) in error
    assert "hush" not in error


def connecting(variables: dict[str, str]) -> str:
    """What a process prints that connects to a cluster on another machine."""
    environment = os.environ | variables
    command = (
        "from headlines.compute.executors import executor; from headlines.settings import Settings;"
        f"executor(2, Settings(runner='dask', scheduler={BEYOND!r}))"
    )
    return subprocess.run(
        [sys.executable, "-c", command], env=environment, capture_output=True, text=True, timeout=60
    ).stderr


@pytest.mark.slow
def test_the_command_scores_over_tls(
    start_cluster: Callable[..., Cluster],
    job: Job,
    expected: dict[str, str],
    tmp_path: Path,
) -> None:
    variables = write_certificates(tmp_path / "tls")
    cluster = start_cluster(2, certificates=tmp_path / "tls")
    own = {
        "HEADLINES_DATA": str(job.root.store.directory),
        "HEADLINES_RUNNER": "dask",
        "HEADLINES_DASK": cluster.address,
    }
    small = (
        "from functools import partial; import flows.score\n"
        "from headlines.scoring.options import ChunkSizes, ScoreOptions\n"
        "flows.score.ScoreOptions = partial(ScoreOptions, sizes=ChunkSizes(rows=40))\n"
    )
    command = [
        sys.executable, "-c", small + "from flows.cli.commands import main; main()",
        "score", str(job.batch.path), "--json", "--json-logs",
    ]  # fmt: skip

    def score(variables: dict[str, str]) -> "subprocess.CompletedProcess[str]":
        environment = os.environ | own | variables
        environment.pop("PREFECT_API_URL", None)
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)

    refused = score(write_certificates(tmp_path / "others"))
    assert refused.returncode == 2
    assert "does not answer" in refused.stderr
    assert job.root.store.manifest("predictions/batch=news.csv") is None
    done = score(variables)
    assert done.returncode == 0, done.stderr
    assert "distributed" not in done.stderr  # Dask keeps its log to itself
    [result] = json.loads(done.stdout)["batches"]
    assert result["outcome"] == "scored"
    predictions = job.root.store.open(job.root.predictions_of("news.csv"))
    assert predictions is not None
    assert digests(predictions) == expected
