"""Nights whose headlines differ from those that the model was evaluated on."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from headlines.errors import BatchesStopped
from headlines.metrics.profile import Profile
from headlines.storage.data_root import DataRoot

Writer = Callable[[Path, list[str]], Path]

pytestmark = pytest.mark.usefixtures("prefect_server")

# The corpus' own are short, and of words that the model knows.
ENGLISH = [f"Stocks fell for the {number}th day on Wall Street" for number in range(600)]


@pytest.fixture
def corpus(root: DataRoot, corpus_file: Path) -> str:
    from flows.ingest import ingest

    ingest(str(corpus_file), "news")
    return "news"


def test_a_night_with_drift_warns_and_is_remembered(
    root: DataRoot,
    corpus: str,
    small_preset: str,
    write_batch: Writer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    from flows.nightly import nightly

    write_batch(root.store.path(root.inbox) / "small.csv", ENGLISH[:5])
    small = nightly(corpus, small_preset)
    assert {finding["level"] for finding in small["drift"]} == {"too few rows", "not judged"}
    assert small["before"] == []

    write_batch(root.store.path(root.inbox) / "other.csv", [*ENGLISH, ""])
    with caplog.at_level(logging.WARNING):
        other = nightly(corpus, small_preset)

    assert [batch["scored"] for batch in other["batches"]] == [600]
    findings = {finding["name"]: finding for finding in other["drift"]}
    assert findings["length"]["level"] == findings["unknown"]["level"] == "warn"
    assert findings["length"]["psi"] > findings["length"]["warn"]
    assert "drift of length" in caplog.text
    assert other["profile"]["rows"] == 600
    assert [night["profile"]["rows"] for night in other["before"]] == [5]
    assert [batch["profile"]["rows"] for batch in other["batches"]] == [600]
    reference = json.loads((Path(other["evaluation"]) / "reference.json").read_text("utf-8"))
    assert other["reference"]["rows"] == Profile.from_dict(reference).rows == 18

    third = nightly(corpus, small_preset)  # nothing is due
    assert {finding["psi"] for finding in third["drift"]} == {None}
    assert [night["profile"]["rows"] for night in third["before"]] == [5, 600]


def test_too_much_drift_fails_the_night_after_scoring(
    root: DataRoot,
    corpus: str,
    small_preset: str,
    write_batch: Writer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from flows.cli.commands import main
    from flows.nightly import nightly

    write_batch(root.store.path(root.inbox) / "other.csv", ENGLISH)
    (root.store.path(root.inbox) / "what?.csv").write_text("title\n喜讯\n", encoding="utf-8")

    with pytest.raises(SystemExit) as left:
        main(["nightly", "--corpus", corpus, "--preset", small_preset, "--drift-stop", "0.25"])

    shown = capsys.readouterr()
    assert left.value.code == 1
    [last] = [line for line in shown.err.splitlines() if line.startswith("headlines:")]
    assert "drift of length" in last
    assert "stop from" in last
    assert "Traceback" not in shown.err
    assert "other.csv: 600 rows in, 600 scored, 0 rejected" in shown.out
    assert "skipped what?.csv" in shown.out
    assert "cannot be a batch name" in shown.out
    report = next(root.store.path(root.nightly_reports).glob("*.html"))
    assert str(report) in last
    assert root.store.open(root.predictions_of("other.csv")) is not None

    # Both the stopped batch and the drift are reported.
    write_batch(root.store.path(root.inbox) / "again.csv", ENGLISH[::-1])
    write_batch(root.store.path(root.inbox) / "bad.csv", ["", ""])
    with pytest.raises(BatchesStopped, match=r"stopped: bad\.csv; drift of .*length") as stopped:
        nightly(corpus, small_preset, drift_stop=0.25)
    assert stopped.value.result["profile"]["rows"] == 600
