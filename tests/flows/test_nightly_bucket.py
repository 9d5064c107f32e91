"""The whole job on a data root in a bucket: what a night leaves there, and what the next one finds.

It stands in this room and not in that of the object store, so that Prefect's test server is started
once.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from headlines.models import champion
from headlines.storage.artifact import open_artifact
from headlines.storage.bucket.address import root_of_mirror
from headlines.storage.layout import Catalog
from tests.headlines.storage.bucket.conftest import bucket, mirror_of_bucket, names, s3_server

__all__ = ["bucket", "s3_server"]

TITLES = {
    "2026-11-20.csv": ["某地火灾三人受伤", "小学生获奖", "明日天气", "关于路线的公告"],
    "late/2026-11-19.csv": ["丰收喜讯", "", "车祸"],
}


@pytest.fixture
def machine(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Catalog]:
    """Has the flows run on a machine of that name, with a mirror of its own."""

    def use(name: str) -> Catalog:
        monkeypatch.setenv("HEADLINES_CACHE", str(tmp_path / name))
        return Catalog.from_environment()

    return use


def objects(catalog: Catalog) -> dict[str, str]:
    """Every object of what nights make once, and its etag."""
    folders = ("corpus", "tokens", "models", "predictions", "rejects", "reports/evaluation")
    store = mirror_of_bucket(catalog).bucket
    return {one.name: one.etag for folder in folders for one in store.list(folder)}


@pytest.mark.usefixtures("prefect_server")
def test_a_night_on_a_bucket_and_a_second_one_on_another_machine_that_reuses_all_of_it(
    machine: Callable[[str], Catalog],
    tmp_path: Path,
    corpus_file: Path,
    small_preset: str,
    write_batch: Callable[[Path, list[str]], Path],
) -> None:
    from flows.ingest import ingest
    from flows.nightly import nightly

    here = machine("here")
    assert root_of_mirror(here.root) == here.root
    for name, titles in TITLES.items():
        path = write_batch(tmp_path / "uploads" / name, titles)
        mirror_of_bucket(here).bucket.upload(path, f"inbox/{name}")

    ingest(str(corpus_file), "news")
    first = nightly("news", small_preset, max_reject_rate=0.5)

    outcomes = {
        batch["batch"]: (batch["outcome"], batch["scored"], batch["rejected"])
        for batch in first["batches"]
    }
    assert outcomes == {"2026-11-20.csv": ("scored", 4, 0), "late/2026-11-19.csv": ("scored", 2, 1)}
    made = objects(here)
    for place in (
        "corpus/news/",
        "predictions/batch=2026-11-20.csv/",
        "predictions/batch=late%2F2026-11-19.csv/",
        "rejects/batch=late%2F2026-11-19.csv/",
        f"models/{first['model']}/",
    ):
        assert f"{place}_manifest.json" in made
        assert sum(name.startswith(place) for name in made) > 1  # and what the manifest names
    assert names(here, "reports/nightly")
    assert names(here, ".work") == []

    there = machine("there")
    assert not there.predictions.exists()
    second = nightly("news", small_preset, max_reject_rate=0.5)

    assert (second["batches"], second["reused"]) == ([], 2)
    assert second["model"] == first["model"] == champion.open_champion(there).directory.name
    assert objects(there) == made
    for name, titles in TITLES.items():
        predictions = open_artifact(there.prediction(name))
        assert predictions is not None
        assert predictions.counts["rows_in"] == len(titles)
        assert predictions.counts["model"] == first["model"]
