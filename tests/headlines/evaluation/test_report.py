"""The report of an evaluation: its sentences, tables and summary."""

import copy
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from headlines.evaluation.report import (
    baseline_sentences,
    behaviour_verdict,
    evaluation_summary,
    evaluation_verdict,
    write_evaluation_report,
)
from headlines.models.card import chosen_on_dev

HOSTILE = "<script>alert(1)</script>车祸<img src=x onerror=alert(2)>"


class Tables(HTMLParser):
    """Counts the rows in the body of each table, by the name of its region."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: dict[str, int] = {}
        self.outside: list[str] = []
        self._name, self._body = "", False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if values.get("role") == "region":
            self._name = str(values["aria-label"])
            assert self._name not in self.rows
            self.rows[self._name] = 0
        self._body = tag == "tbody" or (self._body and tag != "thead")
        self.rows[self._name] = self.rows.get(self._name, 0) + (tag == "tr" and self._body)
        for name in ("src", "href"):
            if value := values.get(name):
                self.outside += [] if value.startswith("#") else [value]

    def handle_endtag(self, tag: str) -> None:
        if tag == "table":
            self._body = False


def documents(evaluated: Any) -> list[Any]:
    """metrics.json, baseline.json and behaviour.json of an evaluation."""
    directory = evaluated.evaluation.directory
    names = ("metrics", "baseline", "behaviour")
    return [json.loads((directory / f"{name}.json").read_text("utf-8")) for name in names]


def page_of(evaluated: Any) -> str:
    """The report of an evaluation."""
    return str((evaluated.evaluation.directory / "report.html").read_text("utf-8"))


def rewritten(evaluated: Any, path: Path, hostile: str | None = None) -> str:
    """The report written again, optionally with a given title in the tables."""
    frames = [
        pd.read_parquet(evaluated.evaluation.directory / f"{name}.parquet")
        for name in ("mistakes", "doubted")
    ]
    metrics, baseline, behaviour = documents(evaluated)
    if hostile:
        for frame in frames:
            frame.loc[0, "title"] = hostile
        example = next(check for check in behaviour["checks"] if check["examples"])["examples"][0]
        example |= {"title": hostile, "changed": hostile}
    write_evaluation_report(
        path,
        evaluated.model,
        evaluated.corpus,
        metrics,
        baseline,
        behaviour,
        *frames,
        dict(zip(("mistakes", "doubted"), map(len, frames), strict=True)),
    )
    return path.read_text("utf-8")


def test_headlines_are_escaped(evaluated: Any, tmp_path: Path) -> None:
    page = rewritten(evaluated, tmp_path / "report.html", HOSTILE)
    assert "<script>alert" not in page
    assert "<img" not in page
    assert page.count("&lt;img src=x onerror=alert(2)&gt;") == 4


def test_nothing_external_is_loaded(evaluated: Any) -> None:
    page = page_of(evaluated)
    assert "http://" not in page
    assert "https://" not in page
    assert set(Tables(page).outside) == {"mistakes.csv", "output_check.csv", "doubted.csv"}
    for name in Tables(page).outside:
        assert (evaluated.evaluation.directory / name).is_file()


def test_every_table_has_its_rows(evaluated: Any) -> None:
    metrics, baseline, behaviour = documents(evaluated)
    rows = Tables(page_of(evaluated)).rows
    counts = evaluated.evaluation.counts
    assert baseline["measured"]
    assert rows["Metrics by split"] == rows["The model and the baseline"] == 4
    for split in ("dev", "test"):
        part = metrics[split]["without_leaked_titles"]
        assert rows[f"Metrics by class on {split}"] == 3
        assert rows[f"Metrics by length on {split}"] == len(part["by_length"])
        assert rows[f"Metrics by share of unknown words on {split}"] == len(part["by_unknown"])
    assert rows["Behaviour checks"] == len(behaviour["checks"])
    failing = [check for check in behaviour["checks"] if check["examples"]]
    assert failing
    for check in failing:
        assert rows[f"Headlines that fail: {check['name']}"] == len(check["examples"])
    assert counts["mistakes"] > 30
    assert rows["Most confident mistakes"] == 30
    assert rows["Suspected label errors"] == min(counts["doubted"], 30)
    assert rows["Settings of the preset"] == len(evaluated.model.manifest.config["preset"])


def test_the_model_card_names_the_inputs(evaluated: Any) -> None:
    page = page_of(evaluated)
    manifest = evaluated.model.manifest
    for digest in (manifest.key, *(source.sha256 for source in manifest.inputs)):
        assert digest in page
    for source in evaluated.corpus.manifest.inputs:
        assert source.sha256 in page
        assert source.path not in page  # paths of this machine are not published
    assert "1,234,567 parameters" in page
    assert "The rarest class of the corpus is positive, with 100 of 300 headlines" in page
    assert "tensorflow 2.21.0" in page


def test_the_same_evaluation_gives_the_same_bytes(evaluated: Any, tmp_path: Path) -> None:
    assert rewritten(evaluated, tmp_path / "report.html") == page_of(evaluated)


def with_difference(baseline: dict[str, Any], low: float, high: float) -> dict[str, Any]:
    """The baseline with this difference of the model's cross-entropy on both splits."""
    changed = copy.deepcopy(baseline)
    for split in ("dev", "test"):
        part = changed[split]["without_leaked_titles"]
        part |= {"macro_f1": 0.7, "cross_entropy": 0.511}
        part["difference"] |= {
            "cross_entropy": {"difference": (low + high) / 2, "low": low, "high": high, "p": 0.01},
            "macro_f1": {"difference": 0.02, "low": -0.01, "high": 0.05, "p": 0.2},
            "beats": high < 0,
        }
    return changed | {"beaten": high < 0}


def test_the_verdict_says_whether_the_baseline_is_beaten(evaluated: Any) -> None:
    metrics, baseline, _ = documents(evaluated)
    metrics["dev"]["without_leaked_titles"]["macro_f1"] = 0.6738
    metrics["dev"]["without_leaked_titles"]["intervals"]["macro_f1"] = [0.64, 0.707]
    metrics["dev"]["without_leaked_titles"]["calibration"]["nll"] = 0.4811
    start = "Macro-F1 on dev 0.674 (0.64–0.71), cross-entropy 0.481"
    sentences = {}
    for name, low, high in (
        ("better", -0.03, -0.01),
        ("alike", -0.02, 0.03),
        ("worse", 0.01, 0.09),
    ):
        changed = with_difference(baseline, low, high)
        sentences[name] = evaluation_verdict(metrics, changed), baseline_sentences(changed)
    assert sentences["better"][0] == f"{start}: the linear baseline (0.700, 0.511) is beaten."
    assert sentences["alike"][0] == sentences["worse"][0]
    assert sentences["alike"][0] == f"{start}: the linear baseline (0.700, 0.511) is not beaten."
    assert sentences["better"][1][0] == (
        "On dev the LSTM beats it: cross-entropy −0.020 (−0.030 to −0.010), "
        "macro-F1 +0.020 (−0.010 to +0.050)."
    )
    assert sentences["alike"][1][0].startswith("On dev the LSTM does not beat it: cross-entropy")
    assert sentences["worse"][1][1].startswith("On test the LSTM is worse: cross-entropy +0.050")
    missing = {"measured": False, "why_not": "scikit-learn is not installed", "beaten": None}
    assert evaluation_verdict(metrics, missing).startswith(
        f"{start}; not compared with a linear baseline"
    )
    nothing = {"dev": {"without_leaked_titles": {"rows": 0}}}
    assert "no labelled headlines" in evaluation_verdict(nothing, missing)


def test_a_report_without_a_baseline_says_why(evaluated: Any, tmp_path: Path) -> None:
    metrics, _, behaviour = documents(evaluated)
    missing = {"measured": False, "why_not": "no <wheel> for it", "beaten": None}
    nothing = pd.DataFrame()
    path = tmp_path / "report.html"
    write_evaluation_report(
        path,
        evaluated.model,
        evaluated.corpus,
        metrics,
        missing,
        behaviour,
        nothing,
        nothing,
        {"mistakes": 0, "doubted": 0},
    )
    page = path.read_text("utf-8")
    assert "Not measured: no &lt;wheel&gt; for it" in page
    assert Tables(page).rows["Most confident mistakes"] == 0


@pytest.mark.parametrize(
    ("passed", "judged", "expected"),
    [
        ([True, True], [True, True], "2 of 2 behaviour checks passed."),
        ([True, False], [True, True], "1 of 2 behaviour checks passed; failed: check 1."),
        (
            [True, True, False],
            [False, True, True],
            "1 of 2 behaviour checks passed; failed: check 2; 1 skipped: too few headlines.",
        ),
    ],
)
def test_the_failed_checks_are_named(passed: list[bool], judged: list[bool], expected: str) -> None:
    checks = [
        {"name": f"check {number}", "passed": one, "judged": seen, "known": None}
        for number, (one, seen) in enumerate(zip(passed, judged, strict=True))
    ]
    assert behaviour_verdict({"checks": checks}) == expected


def test_checks_of_unknown_words_are_marked(evaluated: Any) -> None:
    """The test model knows 获奖 and none of the other added words."""
    *_, behaviour = documents(evaluated)
    known = {check["name"]: check["known"] for check in behaviour["checks"]}
    assert known["adding 获奖"] == 1
    assert known["adding 遇难"] == 0
    assert known["adding 车祸身亡"] == 0.5
    rows = re.findall(
        r"<tr><td class=\"headline\" lang=\"zh\">adding (.*?)</tr>", page_of(evaluated), re.S
    )
    marked = {row.split("<")[0].strip() for row in rows if "words unknown to the model" in row}
    assert marked == {name.removeprefix("adding ") for name, share in known.items() if share == 0}
    assert f"adding {next(iter(marked))}" in evaluated.evaluation.counts["behaviour_unknown"]

    checks = [
        {"name": name, "passed": True, "judged": True, "known": share}
        for name, share in (("full stop", None), ("adding A", 0), ("adding B", 0.5))
    ]
    assert behaviour_verdict({"checks": checks}) == (
        "3 of 3 behaviour checks passed, 1 of them with words unknown to the model."
    )
    checks[1]["passed"] = False
    expected = "2 of 3 behaviour checks passed; failed: adding A."
    assert behaviour_verdict({"checks": checks}) == expected


def test_an_unfitted_temperature_is_not_called_fitted(evaluated: Any, tmp_path: Path) -> None:
    metrics, baseline, behaviour = documents(evaluated)
    pages = {}
    for temperature in (1.0, 1.19):
        for parts in metrics.values():
            for numbers in parts.values():
                numbers["temperature"] = temperature
        path, nothing = tmp_path / "report.html", pd.DataFrame()
        write_evaluation_report(
            path,
            evaluated.model,
            evaluated.corpus,
            metrics,
            baseline,
            behaviour,
            nothing,
            nothing,
            {"mistakes": 0, "doubted": 0},
        )
        pages[temperature] = re.sub(r"\s+", " ", path.read_text("utf-8"))
    assert "temperature of 1.19, fitted on dev" in pages[1.19]
    assert "Dev was used to choose settings, epoch and temperature" in pages[1.19]
    assert "before the temperature" in pages[1.19]
    assert "fitted" not in pages[1.0]
    assert "before the temperature" not in pages[1.0]
    assert "before</small>" not in pages[1.0]
    assert "The temperature is 1" in pages[1.0]
    assert "Dev was used to choose settings and epoch;" in pages[1.0]


@pytest.mark.parametrize(
    ("split", "temperature", "expected"),
    [
        (None, 1.2, "settings, epoch and temperature"),
        (None, 1.0, "settings and epoch"),
        (0.1, 1.2, "settings and temperature"),
        (0.1, 1.0, "settings"),
    ],
)
def test_what_dev_was_used_to_choose(
    split: float | None, temperature: float, expected: str
) -> None:
    assert chosen_on_dev({"validation_split": split}, temperature) == expected


@pytest.mark.parametrize(("splits", "sections"), [(("train", "test"), 1), (("train",), 0)])
def test_a_corpus_without_a_split_still_gets_a_report(
    evaluate_on: Callable[..., Any], splits: tuple[str, ...], sections: int
) -> None:
    found = evaluate_on(*splits)
    page = page_of(found)
    assert "Dev has no labelled headlines to judge the model by." in page
    assert page.count("percentages are of the label") == sections
    summary = evaluation_summary(found.evaluation)
    assert ("compared with the linear baseline" in summary) == bool(sections)


def test_the_summary_agrees_with_the_report(evaluated: Any) -> None:
    metrics, baseline, behaviour = documents(evaluated)
    summary = evaluation_summary(evaluated.evaluation)
    assert evaluation_verdict(metrics, baseline) in summary
    assert behaviour_verdict(behaviour) in summary
    assert str(evaluated.evaluation.directory / "report.html") in summary
    accuracy = metrics["test"]["without_leaked_titles"]["accuracy"]
    assert re.search(rf"test, without leaked titles: accuracy {accuracy:.3f} \(", summary)
