"""CSV files: what a spreadsheet must not change or run."""

import csv
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headlines.reports.spreadsheet import write_frames

FORMULAS = [
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", '=HYPERLINK("http://x","y")',
    "＝1+1", "＋1", "－1", "＠SUM(A1)",
]  # fmt: skip


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("spreadsheets") / "a.csv"


def write_frame(path: Path, frame: pd.DataFrame) -> None:
    write_frames(path, [frame])


def cells(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file, strict=True))[1:]


@pytest.mark.parametrize("formula", FORMULAS)
def test_no_cell_is_run_as_a_formula(path: Path, formula: str) -> None:
    write_frame(path, pd.DataFrame({"title": [formula, "股市"]}))
    assert cells(path) == [["'" + formula], ["股市"]]


@pytest.mark.parametrize("formula", FORMULAS)
def test_no_name_of_a_column_is_run_as_a_formula(path: Path, formula: str) -> None:
    write_frame(path, pd.DataFrame({formula: ["股市"], "row": [1]}))
    with path.open(encoding="utf-8-sig", newline="") as file:
        assert next(csv.reader(file, strict=True)) == ["'" + formula, "row"]


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_a_line_break_in_a_title_starts_no_row(path: Path, end: str) -> None:
    write_frame(path, pd.DataFrame({"title": [f"股市{end}=1+1"]}))
    assert cells(path) == [[f"股市{end}=1+1"]]


def test_numbers_stay_numbers(path: Path) -> None:
    write_frame(path, pd.DataFrame({"title": ["晴", None], "n": [-1, 2], "p": [-0.5, 1.0]}))
    assert cells(path) == [["晴", "-1", "-0.5"], ["", "2", "1.0"]]


def test_the_file_is_utf8_with_a_byte_order_mark(path: Path) -> None:
    write_frame(path, pd.DataFrame({"title": ["股市大涨"]}))
    assert path.read_bytes() == b"\xef\xbb\xbf" + "title\r\n股市大涨\r\n".encode()


def test_the_frame_itself_is_not_changed(path: Path) -> None:
    frame = pd.DataFrame({"title": ["=1"]})
    write_frame(path, frame)
    assert frame["title"].tolist() == ["=1"]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))))
def test_any_text_survives_and_none_starts_a_formula(path: Path, texts: list[str]) -> None:
    write_frame(
        path, pd.DataFrame({"title": pd.Series(texts, dtype="str"), "row": range(len(texts))})
    )
    found = [cell for cell, _ in cells(path)]
    assert [cell.removeprefix("'") for cell in found] == [text.removeprefix("'") for text in texts]
    assert not any(cell.startswith(tuple("=+-@＝＋－＠\t\r\n")) for cell in found)
