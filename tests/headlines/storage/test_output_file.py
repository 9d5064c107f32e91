import errno
from pathlib import Path

import pytest

from headlines.errors import InputError
from headlines.storage.layout import Catalog
from headlines.storage.output_file import atomic_output, check_output_path


def test_the_file_takes_its_place_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("old")
    with atomic_output(path) as draft:
        draft.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_what_fails_leaves_what_stood_there_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("old")

    def fail_after_a_line() -> None:
        with atomic_output(path) as draft:
            draft.write_text("half")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left") as caught:
        fail_after_a_line()
    assert caught.value.filename == str(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_and_what_it_points_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    link = tmp_path / "a.csv"
    link.symlink_to(tmp_path / "shared" / "b.csv")
    with atomic_output(link) as draft:
        draft.write_text("new")
    assert link.is_symlink()
    assert (tmp_path / "shared" / "b.csv").read_text() == "new"


def test_a_name_as_long_as_it_may_be(tmp_path: Path) -> None:
    path = tmp_path / ("长" * 83 + ".csv")  # 253 bytes
    with atomic_output(path) as draft:
        draft.write_text("new")
    assert path.read_text() == "new"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none/a.csv", "no file can be written"),
        (".", "is no file"),
        ("data/inbox/a.csv", "data root"),
        ("inbox-link/a.csv", "data root"),
    ],
)
def test_a_place_where_no_file_can_stand(
    catalog: Catalog, tmp_path: Path, name: str, said: str
) -> None:
    catalog.inbox.mkdir(parents=True)
    (tmp_path / "inbox-link").symlink_to(catalog.inbox)
    with pytest.raises(InputError, match=said) as caught:
        check_output_path(catalog, tmp_path / name, "--csv")
    assert caught.value.location == "--csv"


@pytest.mark.parametrize("name", ["a.csv", "data/a.csv", "old.csv"])
def test_a_place_where_a_file_can_stand(catalog: Catalog, tmp_path: Path, name: str) -> None:
    catalog.root.mkdir()
    (tmp_path / "old.csv").touch()
    check_output_path(catalog, tmp_path / name, "--csv")
