from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from headlines.rejects import SCHEMA, Reject, by_reason, write_rejects

REJECTS = st.lists(
    st.builds(Reject, st.integers(0, 2**63 - 1), st.text(st.sampled_from("ab长")), st.binary())
)


@given(REJECTS)
def test_rejects_read_back_as_they_were_with_one_schema(rejects: list[Reject]) -> None:
    sink = pa.BufferOutputStream()
    write_rejects(sink, rejects)  # type: ignore[arg-type]
    table = pq.read_table(pa.BufferReader(sink.getvalue()))
    assert table.schema == SCHEMA
    assert [Reject(**row) for row in table.to_pylist()] == rejects


def test_the_file_is_compressed_with_zstd(tmp_path: Path) -> None:
    write_rejects(tmp_path / "r.parquet", [Reject(3, "title is blank", b"\xff,1")])
    group = pq.read_metadata(tmp_path / "r.parquet").row_group(0)
    assert {group.column(n).compression for n in range(group.num_columns)} == {"ZSTD"}


def test_reasons_are_counted_the_commonest_first() -> None:
    rejects = [Reject(n, reason, b"") for n, reason in enumerate("abbcbc")]
    assert list(by_reason(rejects).items()) == [("b", 3), ("c", 2), ("a", 1)]
    assert by_reason([]) == {}
