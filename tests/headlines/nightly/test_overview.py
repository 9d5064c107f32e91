"""`reports/index.html` links what is in the data root, and leaves out what is damaged."""

import html
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from headlines.nightly.history import NightSummary, nights, save_night
from headlines.nightly.overview import write_overview
from headlines.nightly.report import write_nightly_report
from headlines.review.ask import ask
from headlines.review.selection import ReviewSize
from headlines.storage.data_root import DataRoot
from headlines.storage.day_range import DayRange
from tests.factories import make_labels, publish_predictions


def copied(evaluated: Any, to: Path) -> DataRoot:
    """A data root with a model and its evaluation, to be changed."""
    shutil.copytree(evaluated.root.store.directory, to)
    return DataRoot.open(to)


def run_night(root: DataRoot, title: str, night: NightSummary) -> None:
    write_nightly_report(root, title, night)
    save_night(root, title, night)


def page_of(root: DataRoot) -> str:
    return re.sub(r"\s+", " ", write_overview(root).read_text("utf-8"))


def test_an_empty_data_root_says_what_to_run(root: DataRoot) -> None:
    page = page_of(root)
    assert "No night has run yet; there is no champion." in page
    assert "headlines nightly" in page
    assert "headlines train" in page


def test_every_link_leads_to_a_report(
    evaluated: Any, night_of: Callable[..., NightSummary], tmp_path: Path
) -> None:
    root = copied(evaluated, tmp_path / "copy")
    run_night(root, "2026-11-20T183000Z", night_of())
    run_night(root, "2026-11-21T183000Z", night_of(rows=0))

    page = page_of(root)

    targets = [unquote(html.unescape(link)) for link in re.findall(r'<a href="([^"]+)"', page)]
    kinds = [target.split("/")[0] for target in targets]
    assert kinds == ["nightly", "nightly", "..", "evaluation"]
    assert targets[0] == "nightly/2026-11-21T183000Z.html"  # the newest first
    reports = root.store.directory / "reports"
    missing = [target for target in targets if not (reports / target).resolve().is_file()]
    # The models of the tests have no report of their training.
    assert missing == [target for target in targets if target.startswith("..")]


def test_a_night_is_shown_with_its_counts_and_its_drift(
    root: DataRoot, night_of: Callable[..., NightSummary]
) -> None:
    night = night_of()
    run_night(root, "2026-11-20T183000Z", night)
    [record] = nights(root, 10)
    assert (record.rejected, record.stopped, record.drift_level) == (2, 1, "warn")
    assert record.drift == max(f.psi or 0 for f in night.drift if f.level in ("ok", "warn"))
    page = page_of(root)
    assert '<td class="number">2,000</td> <td class="number">2</td>' in page
    assert f'<td class="number warn">{record.drift:.3f}</td>' in page


def test_damaged_records_are_left_out(
    evaluated: Any, night_of: Callable[..., NightSummary], tmp_path: Path
) -> None:
    root = copied(evaluated, tmp_path / "copy")
    for day in (20, 21):
        run_night(root, f"2026-11-{day}T183000Z", night_of(rows=0))
    directory = root.store.directory
    (directory / "reports/nightly/2026-11-21T183000Z.json").write_text("{", "utf-8")
    [evaluation] = (directory / "reports/evaluation").iterdir()
    (evaluation / "_manifest.json").write_text("{", "utf-8")
    page = page_of(root)
    assert "2026-11-20 18:30" in page
    assert "2026-11-21 18:30" not in page
    assert "Evaluations" not in page


def test_reviews_are_listed_with_their_sheet_and_labels(root: DataRoot) -> None:
    publish_predictions(root, "a.csv", ["晴", "火灾", "获奖"], [[0.2, 0.5, 0.3]] * 3)
    ask(root, "open", [], DayRange(), ReviewSize(2, lot=1), lambda _: None)
    make_labels(root, "done", ReviewSize(3, lot=0), lambda title: "中性")
    page = page_of(root)
    rows = re.findall(r'<a href="../(reviews/\w+.csv)">.*?</tr>', page)
    assert sorted(rows) == ["reviews/done.csv", "reviews/open.csv"]
    for row in rows:
        assert (root.store.directory / row).is_file()
    cells = {
        name: re.findall(r'<td class="number">(.*?)</td>', row)
        for name, row in re.findall(r'<a href="../reviews/(\w+).csv">(.*?)</tr>', page)
    }
    assert cells == {"open": ["2", "2", "0", "0", "–"], "done": ["1", "0", "1", "1", "–"]}
