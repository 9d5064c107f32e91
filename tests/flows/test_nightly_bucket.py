"""A night on a data root in a bucket, and the next one on another machine.

It is in this folder, so that Prefect's test server is started once.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from headlines.models import champion
from headlines.storage.data_root import DataRoot
from tests.headlines.storage.bucket.conftest import (
    RootOf,
    bucket,
    bucket_of,
    object_names,
    root_of,
    s3_server,
)

__all__ = ["bucket", "root_of", "s3_server"]

TITLES = {
    "2026-11-20.csv": ["某地火灾三人受伤", "小学生获奖", "明日天气", "关于路线的公告"],
    "late/2026-11-19.csv": ["丰收喜讯", "", "车祸"],
}


def etags(root: DataRoot) -> dict[str, str]:
    """Every object that nights write once, with its etag."""
    folders = ("corpus", "tokens", "models", "predictions", "rejects", "reports/evaluation")
    return {info.name: info.etag for folder in folders for info in bucket_of(root).list(folder)}


@pytest.mark.usefixtures("prefect_server")
def test_a_night_on_another_machine_reuses_all(
    root_of: RootOf,
    tmp_path: Path,
    corpus_file: Path,
    small_preset: str,
    write_batch: Callable[[Path, list[str]], Path],
) -> None:
    from flows.ingest import ingest
    from flows.nightly import nightly

    here = root_of("here")
    for name, titles in TITLES.items():
        path = write_batch(tmp_path / "uploads" / name, titles)
        bucket_of(here).upload(path, f"inbox/{name}")

    ingested = ingest(str(corpus_file), "news")
    assert ingested["artifact"] == f"{here.url}/corpus/news"
    first = nightly("news", small_preset, max_reject_rate=0.5)

    outcomes = {
        batch["batch"]: (batch["outcome"], batch["scored"], batch["rejected"])
        for batch in first["batches"]
    }
    assert outcomes == {"2026-11-20.csv": ("scored", 4, 0), "late/2026-11-19.csv": ("scored", 2, 1)}
    predictions = {batch["predictions"] for batch in first["batches"]}
    assert f"{here.url}/predictions/batch=2026-11-20.csv" in predictions
    assert (first["inbox"], first["evaluation"].startswith(here.url)) == (f"{here.url}/inbox", True)
    assert Path(first["report"]).is_file()  # for a browser
    made = etags(here)
    for folder in (
        "corpus/news/",
        "predictions/batch=2026-11-20.csv/",
        "predictions/batch=late%2F2026-11-19.csv/",
        "rejects/batch=late%2F2026-11-19.csv/",
        f"models/{first['model']}/",
    ):
        assert f"{folder}_manifest.json" in made
        assert sum(name.startswith(folder) for name in made) > 1  # and what the manifest names
    assert object_names(here, "reports/nightly")
    assert object_names(here, ".work") == []

    there = root_of("there")
    second = nightly("news", small_preset, max_reject_rate=0.5)

    assert (second["batches"], second["reused"]) == ([], 2)
    assert second["model"] == first["model"] == champion.open_champion(there).version
    assert etags(there) == made
    for name, titles in TITLES.items():
        opened = there.store.open(there.predictions_of(name))
        assert opened is not None
        assert opened.counts["rows_in"] == len(titles)
        assert opened.counts["model"] == first["model"]
