from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headlines.readers.rejects import SCHEMA, Reject, RejectWriter, read_rejects

REJECTS = st.lists(
    st.builds(Reject, st.integers(0, 2**63 - 1), st.text(st.sampled_from("ab长")), st.binary())
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rejects=REJECTS, rows=st.integers(1, 5), size=st.integers(1, 40))
def test_rejects_read_back_as_written(
    tmp_path: Path, rejects: list[Reject], rows: int, size: int
) -> None:
    path = tmp_path / "rejects.parquet"
    path.unlink(missing_ok=True)
    with RejectWriter(path, rows, size) as writer:
        for reject in rejects:
            writer.add(reject)
    assert writer.count == len(rejects)
    assert writer.reasons == Counter(reject.reason for reject in rejects)
    assert path.exists() == bool(rejects)
    if rejects:
        table = pq.read_table(path)
        assert table.schema == SCHEMA
        assert [Reject(**row) for row in table.to_pylist()] == rejects
        assert list(read_rejects(path)) == rejects


def test_rejects_are_compressed_with_zstd(tmp_path: Path) -> None:
    with RejectWriter(tmp_path / "r.parquet") as writer:
        writer.add(Reject(3, "title is blank", b"\xff,1"))
    group = pq.read_metadata(tmp_path / "r.parquet").row_group(0)
    assert {group.column(n).compression for n in range(group.num_columns)} == {"ZSTD"}
