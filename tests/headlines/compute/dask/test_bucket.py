"""A data root in a bucket, scored by workers that share nothing else with the run."""

from collections.abc import Callable
from pathlib import Path

import pytest

from headlines.scoring.batch import Batch
from headlines.storage.data_root import DataRoot
from tests.headlines.scoring.test_scoring import make_champion
from tests.headlines.storage.bucket.conftest import bucket, s3_server

from .conftest import Cluster, Job, digests, lines

__all__ = ["bucket", "s3_server"]


@pytest.mark.slow
@pytest.mark.usefixtures("bucket")
def test_a_batch_in_a_bucket_has_the_bytes_of_one_on_a_disk(
    bucket: str,
    start_cluster: Callable[..., Cluster],
    expected: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HEADLINES_CACHE", str(tmp_path / "cache"))
    cluster = start_cluster(4)  # its workers take all this from the environment
    root = DataRoot.open(f"s3://{bucket}/data", cluster.client_settings)
    make_champion(root)
    file = tmp_path / "news.csv"
    file.write_text("\n".join(lines()), encoding="utf-8")
    job = Job(root, Batch.of_file(root, file))
    assert digests(job.run()) == expected
