from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headlines.readers import rejects
from headlines.readers.rejects import SCHEMA, Reject, RejectWriter, by_reason, write_rejects

REJECTS = st.lists(
    st.builds(Reject, st.integers(0, 2**63 - 1), st.text(st.sampled_from("ab长")), st.binary())
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=REJECTS, rows=st.integers(1, 5), size=st.integers(1, 40))
def test_rejects_read_back_as_they_were_with_one_schema(
    tmp_path: Path, found: list[Reject], rows: int, size: int
) -> None:
    path = tmp_path / "rejects.parquet"
    path.unlink(missing_ok=True)
    with pytest.MonkeyPatch.context() as patch:  # they are written in several pieces
        patch.setattr(rejects, "_HELD_ROWS", rows)
        patch.setattr(rejects, "_HELD_BYTES", size)
        with RejectWriter(path) as writer:
            for reject in found:
                writer.add(reject)
    assert writer.count == len(found)
    assert dict(writer.reasons) == by_reason(found)
    assert path.exists() == bool(found)
    if found:
        table = pq.read_table(path)
        assert table.schema == SCHEMA
        assert [Reject(**row) for row in table.to_pylist()] == found


def test_the_file_is_compressed_with_zstd(tmp_path: Path) -> None:
    write_rejects(tmp_path / "r.parquet", [Reject(3, "title is blank", b"\xff,1")])
    group = pq.read_metadata(tmp_path / "r.parquet").row_group(0)
    assert {group.column(n).compression for n in range(group.num_columns)} == {"ZSTD"}


def test_reasons_are_counted_the_commonest_first() -> None:
    found = [Reject(n, reason, b"") for n, reason in enumerate("abbcbc")]
    assert list(by_reason(found).items()) == [("b", 3), ("c", 2), ("a", 1)]
    assert by_reason([]) == {}
