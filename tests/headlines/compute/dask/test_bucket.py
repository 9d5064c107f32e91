"""A data root in a bucket, its pieces scored by workers that have it through mirrors alone."""

from collections.abc import Callable
from pathlib import Path

import pytest

from headlines.scoring.batch import Batch
from headlines.storage.bucket.address import root_of_mirror
from headlines.storage.layout import Catalog
from tests.headlines.scoring.test_scoring import make_champion
from tests.headlines.storage.bucket.conftest import bucket, s3_server

from .conftest import Cluster, Job, digests, lines

__all__ = ["bucket", "s3_server"]


@pytest.mark.slow
@pytest.mark.usefixtures("bucket")
def test_a_batch_in_a_bucket_has_the_bytes_of_one_on_a_disk(
    bucket: str,
    start_cluster: Callable[..., Cluster],
    use: Callable[[Cluster], None],
    expected: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HEADLINES_CACHE", str(tmp_path / "cache"))
    cluster = start_cluster(4)  # its workers take all this from the environment
    use(cluster)
    catalog = Catalog.from_environment()
    assert root_of_mirror(catalog.root) == catalog.root
    make_champion(catalog)
    file = tmp_path / "news.csv"
    file.write_text("\n".join(lines()), encoding="utf-8")
    job = Job(catalog, Batch.of_file(catalog, file))
    assert digests(job.run()) == expected
