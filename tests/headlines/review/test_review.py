"""A review from predictions to labels: asked, filled in by people, and taken back."""

import csv
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headlines.errors import InputError
from headlines.labels import LABELS
from headlines.readers import ReadOptions
from headlines.readers.titles import record_id, title_problem
from headlines.review.ask import SecondOpinion, ask
from headlines.review.labelled import open_labels, read_labels
from headlines.review.reviews import open_review, read_asked
from headlines.review.selection import ReviewSize
from headlines.review.sheet import check_rows, read_sheet, write_sheet
from headlines.review.take_labels import DISPUTED_FILE, take_labels
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.day_range import DayRange
from headlines.storage.lineage import lineage
from tests.factories import make_labels, publish_predictions

HAN = [chr(0x4E00 + number) for number in range(2000)]
READ = ReadOptions()
Cells = list[list[str]]  # of a sheet, the header first
TITLE, LABEL, BATCH, ROW, REVIEW = 0, 1, 5, 6, 7


def no_opinion(_: set[str]) -> None:
    return None


def make_review(
    root: DataRoot, name: str | None = "first", batches: Sequence[str] = (), n: int = 10
) -> Artifact:
    return ask(root, name, batches, DayRange(), ReviewSize(n), no_opinion)


def publish(root: DataRoot, batch: str = "2026-11-20.csv", rows: int = 40, seed: int = 0) -> None:
    rng = np.random.default_rng(seed)
    titles = ["=" + "".join(rng.choice(HAN, 12)) for _ in range(rows)]
    publish_predictions(root, batch, titles, rng.dirichlet((2, 2, 2), rows).tolist())


def cells_of(root: DataRoot, review: str = "first") -> Cells:
    path = root.store.directory / root.review_sheet(review)
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file, strict=True))


def write_cells(path: Path, cells: Cells, encoding: str = "utf-8-sig") -> Path:
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file).writerows(cells)
    return path


@pytest.fixture
def fill(root: DataRoot, tmp_path: Path) -> Callable[..., Path]:
    """Fills the sheet of the review `first` for a person; None leaves a row empty."""

    def write(person: str, labels: Sequence[str | None], encoding: str = "utf-8-sig") -> Path:
        header, *rows = cells_of(root)
        filled = [
            [row[TITLE], label or "", *row[2:]] for row, label in zip(rows, labels, strict=True)
        ]
        return write_cells(tmp_path / f"{person}.csv", [header, *filled], encoding)

    return write


def test_the_sheet_is_safe_for_spreadsheets_and_empty(root: DataRoot) -> None:
    publish(root)
    review = make_review(root)
    header, *rows = cells_of(root)
    assert header == [
        "title", "label", "predicted", "probability", "drawn", "batch", "row", "review",
    ]  # fmt: skip
    assert len(rows) == review.counts["headlines"] == 10
    assert all(row[TITLE].startswith("'=") and row[LABEL] == "" for row in rows)
    assert review.counts["by_lot"] == 5


def test_a_review_comes_from_the_predictions_it_asks_about(root: DataRoot) -> None:
    for day in (20, 21, 22):
        publish(root, f"2026-11-{day}.csv", seed=day)
    make_review(root, "named", ["2026-11-21.csv"])
    assert [link.path for link in lineage(root, root.review("named"))] == [
        "reviews/asked/named",
        "predictions/batch=2026-11-21.csv",
    ]
    days = DayRange(date(2026, 11, 22), None)
    review = ask(root, "days", [], days, ReviewSize(10), no_opinion)
    assert {*read_asked(review)["batch"]} == {"2026-11-22.csv"}


def test_names_follow_each_other(root: DataRoot) -> None:
    publish(root)
    names = [make_review(root, None).version for _ in range(2)]
    assert [name[-2:] for name in names] == ["-1", "-2"]


@pytest.mark.parametrize("name", ["2026-11-20", "../x", "a/b", "", "1e5"])
def test_a_name_that_a_sheet_cannot_carry_is_refused(root: DataRoot, name: str) -> None:
    publish(root)
    with pytest.raises(InputError):
        make_review(root, name)


def test_a_filled_sheet_is_never_overwritten(root: DataRoot) -> None:
    publish(root)
    make_review(root)
    sheet = root.store.directory / root.review_sheet("first")
    sheet.write_text("filled in", encoding="utf-8")
    with pytest.raises(InputError, match="already"):
        make_review(root)
    assert sheet.read_text(encoding="utf-8") == "filled in"


def test_a_killed_run_leaves_a_review_that_gets_its_sheet(root: DataRoot) -> None:
    publish(root)
    make_review(root)
    before = cells_of(root)
    (root.store.directory / root.review_sheet("first")).unlink()
    make_review(root)
    assert cells_of(root) == before


def test_without_predictions_nothing_is_asked(root: DataRoot) -> None:
    with pytest.raises(InputError, match="headlines score"):
        make_review(root)
    publish(root, rows=5)
    make_review(root, n=50)
    with pytest.raises(InputError, match="--again"):
        make_review(root, "second")


def test_the_other_model_is_an_input_where_it_was_asked(root: DataRoot) -> None:
    publish(root)
    other = publish_predictions(root, "other.csv", ["晴"], [[1, 0, 0]]).as_source()

    def opinion(predicted_by: set[str]) -> SecondOpinion:
        assert predicted_by == {"2026-11-01-abcdef01"}
        return SecondOpinion(other, lambda titles: np.full(len(titles), 2, np.int8))

    review = ask(root, "a", ["2026-11-20.csv"], DayRange(), ReviewSize(10), opinion)
    assert [source.path for source in review.manifest.inputs] == [
        "predictions/batch=2026-11-20.csv",
        "predictions/batch=other.csv",
    ]
    asked = read_asked(review)
    assert (asked["label"][asked["drawn"] == "disagreement"] != 2).all()


def test_labels_are_taken_with_their_lineage(root: DataRoot, fill: Callable[..., Path]) -> None:
    publish(root)
    review = make_review(root)
    given = ["正面", "neutral", "2", "负面", "POSITIVE", "1.0", "negative 负面", "中", None, None]
    expected = [0, 1, 2, 2, 0, 1, 2, 1]
    labels = take_labels(root, [fill("安娜", given)], READ)
    frame = read_labels(labels)
    assert frame["label"].tolist() == expected
    asked = read_asked(review).iloc[:8]
    for column, source in (("record_id", "record_id"), ("drawn", "drawn"), ("predicted", "label")):
        assert frame[column].tolist() == asked[source].tolist()
    assert labels.counts["people"] == {
        "安娜": {"rows_in": 10, "labelled": 8, "unlabelled": 2, "rejected": []}
    }
    assert [link.what for link in lineage(root, labels.name)] == [
        "labels", "review", "predictions", "file",
    ]  # fmt: skip


def test_a_sheet_filled_in_where_it_lies_has_its_lineage(root: DataRoot) -> None:
    publish(root)
    labels = make_labels(root, "first", ReviewSize(5), lambda title: "0")
    [sheet] = [link for link in lineage(root, labels.name) if link.what == "file"]
    assert (sheet.path, sheet.problem) == ("reviews/first.csv", "")


def test_every_row_of_a_sheet_is_accounted_for(root: DataRoot, tmp_path: Path) -> None:
    publish(root)
    make_review(root)
    header, *rows = cells_of(root)
    for row in rows:
        row[LABEL] = "正面"
    rows[0][LABEL] = "好"
    rows[1][TITLE] += "改"
    rows[2][ROW] = "4000"
    rows[3][REVIEW] = "other"
    rows[4][LABEL] = " "
    rows[5][BATCH] = "x.csv"
    rows[6][TITLE] = rows[6][TITLE].removeprefix("'") + " "  # a spreadsheet may do that
    rows.append([*rows[7][:LABEL], "负面", *rows[7][LABEL + 1 :]])
    labels = take_labels(root, [write_cells(tmp_path / "a.csv", [header, *rows])], READ)
    counts = labels.counts["people"]["a"]
    reasons = {entry["row"]: entry["reason"] for entry in counts["rejected"]}
    assert {*reasons} == {2, 3, 4, 5, 7, 12}
    assert "'好' is not a label" in reasons[2]
    assert "title was changed" in reasons[3]
    assert "'4000'" in reasons[4]
    assert "'other'" in reasons[5]
    assert "already in row 9" in reasons[12]
    assert (counts["rows_in"], counts["labelled"], counts["unlabelled"]) == (11, 4, 1)


def test_labels_of_several_people_are_merged(root: DataRoot, fill: Callable[..., Path]) -> None:
    publish(root)
    make_review(root)
    anna = fill("anna", ["0", "0", "0", "1", *["2"] * 6])
    ben = fill("ben", ["0", "1", "1", "1", *["2"] * 6], "gb18030")
    take_labels(root, [anna], READ)
    both = take_labels(root, [ben], ReadOptions("gb18030"))
    frame = read_labels(both)
    assert frame["label"].isna().tolist() == [False, True, True, *[False] * 7]
    assert frame["p_positive"].tolist() == [1, 0.5, 0.5, *[0] * 7]
    assert frame["votes"].tolist() == [2] * 10
    agreement = both.counts["agreement"]
    assert (agreement["headlines"], agreement["disputed"]) == (10, 2)
    # By hand: 8 of 10 agree; by chance (3·1 + 1·3 + 6·6)/100 would.
    assert agreement["kappa"] == pytest.approx((0.8 - 0.42) / (1 - 0.42))
    with (both.directory / DISPUTED_FILE).open(encoding="utf-8-sig", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["title", "batch", "row", "anna", "ben"]
    assert [row[3:] for row in rows] == [["positive", "neutral"]] * 2

    third = take_labels(root, [fill("cleo", ["0", "1", "2", *["1"] * 7])], READ)
    assert read_labels(third)["label"].tolist()[:2] == [0, 1]
    assert read_labels(third)["label"].isna()[2]  # all three differ


@pytest.mark.parametrize("person", ["title", "row", "record_id"])
def test_a_person_may_be_called_like_a_column(
    root: DataRoot, fill: Callable[..., Path], person: str
) -> None:
    publish(root)
    make_review(root)
    files = [fill(person, ["0"] * 10), fill("ben", ["1"] * 10)]
    labels = take_labels(root, files, READ)
    with (labels.directory / DISPUTED_FILE).open(encoding="utf-8-sig", newline="") as file:
        header, *rows = csv.reader(file)
    assert sorted(header[3:]) == sorted(["ben", f"{person} (person)"])
    assert len(rows) == 10


def test_a_sheet_handed_in_again_replaces_the_first(
    root: DataRoot, fill: Callable[..., Path]
) -> None:
    publish(root)
    make_review(root)
    first = take_labels(root, [fill("anna", ["0"] * 10)], READ)
    second = take_labels(root, [fill("anna", ["1"] * 9 + [None])], READ)
    assert read_labels(second)["label"].tolist() == [1] * 9
    assert [*second.counts["people"]] == ["anna"]
    kept = root.store.open("superseded/labels/first~1")
    assert kept is not None
    assert kept.manifest.key == first.manifest.key
    assert take_labels(root, [fill("anna", ["1"] * 9 + [None])], READ).reused


def test_a_label_of_an_earlier_choice_is_filled_in(
    root: DataRoot, fill: Callable[..., Path]
) -> None:
    publish(root, rows=12)
    make_review(root)
    labels = take_labels(root, [fill("anna", ["2"] * 10)], READ)
    second = ask(root, "second", [], DayRange(), ReviewSize(20, lot=1), no_opinion)
    known = read_asked(second).set_index("record_id")["known"].dropna()
    chosen = read_labels(labels).query("drawn != 'lot'")
    assert {*known.index} == {*chosen["record_id"]}
    sheet = cells_of(root, "second")
    assert sum(row[LABEL] == "negative 负面" for row in sheet) == len(known) == 5


def test_a_file_that_is_no_sheet_changes_nothing(
    root: DataRoot, fill: Callable[..., Path], tmp_path: Path
) -> None:
    publish(root)
    make_review(root)
    make_review(root, "second")
    other = write_cells(tmp_path / "other.csv", cells_of(root, "second"))
    twin = tmp_path / "folder"
    twin.mkdir()
    calls: dict[str, list[Path]] = {
        "no label": [fill("empty", [None] * 10)],
        "several reviews": [fill("anna", ["0"] * 10), other],
        "tells people apart": [fill("ben", ["0"] * 10), write_cells(twin / "ben.csv", [["x"]])],
        "no column label": [write_cells(tmp_path / "x.csv", [["title"], ["晴"]])],
        "no row names": [write_cells(tmp_path / "y.csv", [cells_of(root)[0], ["a"] + [""] * 7])],
        "there is no review": [
            write_cells(tmp_path / "z.csv", [cells_of(root)[0], ["a", *"bcdefg", "none"]])
        ],
        "cannot be a review name": [
            write_cells(tmp_path / "w.csv", [cells_of(root)[0], ["a", *"bcdefg", "../none"]])
        ],
    }
    for problem, files in calls.items():
        with pytest.raises(InputError, match=problem):
            take_labels(root, files, READ)
    assert open_labels(root, "first") is None


def test_damaged_labels_are_never_replaced(root: DataRoot, fill: Callable[..., Path]) -> None:
    publish(root)
    make_review(root)
    labels = take_labels(root, [fill("anna", ["0"] * 10)], READ)
    (labels.directory / "votes.parquet").write_bytes(b"")
    with pytest.raises(InputError, match="damaged"):
        take_labels(root, [fill("ben", ["1"] * 10)], READ)
    (open_review(root, "first").directory / "asked.parquet").write_bytes(b"")
    with pytest.raises(InputError, match="the review is damaged"):
        make_review(root, "second")


texts = st.text(min_size=1, max_size=40).filter(lambda text: title_problem(text) is None)


@settings(max_examples=25)
@given(st.lists(texts, min_size=1, max_size=5, unique=True))
def test_any_headline_comes_back_from_its_sheet(
    tmp_path_factory: pytest.TempPathFactory, titles: list[str]
) -> None:
    path = tmp_path_factory.mktemp("sheets") / "sheet.csv"
    asked = pd.DataFrame(
        {
            "title": titles,
            "record_id": [record_id(title) for title in titles],
            "label": 0,
            "probability": 0.5,
            "drawn": "lot",
            "batch": "新闻 2026.csv",
            "row": range(len(titles)),
            "known": pd.array([2] * len(titles), dtype="Int8"),
        }
    ).drop_duplicates("record_id")
    write_sheet(path, "first", asked)
    given_back = list(check_rows(read_sheet(path, READ), "first", asked))
    assert [answer.record_id for answer in given_back] == asked["record_id"].tolist()
    assert {answer.label for answer in given_back} == {LABELS.index("negative")}
