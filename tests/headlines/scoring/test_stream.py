"""The stream: what comes in goes out as a prediction or as a reject, and nothing is kept."""

import base64
import contextlib
import csv
import errno
import gzip
import io
import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headlines import predict
from headlines.errors import InputError
from headlines.labels import LABELS
from headlines.models import champion, registry
from headlines.scoring.options import ScoreOptions
from headlines.scoring.stream import score_stream
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from tests.score import OPTIONS, score_options

TITLES = ["股市大涨", "某地地震，伤亡", "天气", "不在词表", "=1+1", "夺冠"]
# What streams are made of: good rows and bad ones, and what divides them.
PIECES = [
    '{"title":"天气"}'.encode(), b'{"title":"\xff"}', b'{"title":""}', b'{"title":7}',
    b'{"title":', b"[1]", b"title", b"title,id", b"title\tid", b'"', b",", b"\t", b"\x00", b" ",
    "天".encode(), "气,7".encode(), b"\xe5", b"\xff\xfe", b"\xef\xbb\xbf", b"\x1f\x8b",
    b"\r", b"\n", b"\n", b"\r\n",
]  # fmt: skip


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    """A data root for all examples of a property."""
    return DataRoot.open(tmp_path_factory.mktemp("pipe") / "data")


@pytest.fixture
def root(
    monkeypatch: pytest.MonkeyPatch, root: DataRoot, publish_model: Callable[..., Artifact]
) -> DataRoot:
    """A data root with a champion."""
    monkeypatch.setenv("HEADLINES_DATA", str(root.store.directory))
    publish_model(root, "one")
    champion.promote(root, "one", "a test")
    return root


class Streamed:
    """What a stream gave: the lines of its predictions and of its rejects."""

    def __init__(
        self,
        root: DataRoot,
        content: bytes,
        format: str = "jsonl",
        options: ScoreOptions = OPTIONS,
    ) -> None:
        out, rejects = io.BytesIO(), io.BytesIO()
        self.counts: dict[str, int] | None = None
        self.error: InputError | None = None
        try:
            self.counts = score_stream(root, io.BytesIO(content), out, rejects, format, options)
        except InputError as error:
            self.error = error
        self.rows = [json.loads(line) for line in out.getvalue().splitlines()]
        self.rejects = [json.loads(line) for line in rejects.getvalue().splitlines()]


def jsonl(titles: list[Any]) -> bytes:
    return "".join(json.dumps({"title": title}) + "\n" for title in titles).encode()


def left_in(root: DataRoot) -> list[Path]:
    return [p for p in root.store.work.rglob("*") if p.is_file() and p.suffix != ".lock"]


def test_a_row_is_what_the_model_says_of_it(root: DataRoot) -> None:
    content = "".join(
        json.dumps({"title": title, "id": row, "来源": ["网易", None]}) + "\n"
        for row, title in enumerate(TITLES)
    )
    streamed = Streamed(root, content.encode())
    assert streamed.counts == {
        "rows_in": 6,
        "scored": 6,
        "rejected": 0,
        "without_content": 0,
        "warnings": {},
    }
    for number, (title, p) in enumerate(zip(TITLES, predict(TITLES), strict=True)):
        label = int(p.argmax())
        assert streamed.rows[number] == {
            "row": number,
            "id": str(number),
            "title": title,
            "label": label,
            "label_name": LABELS[label],
            "probability": float(p[label]),
            **{f"p_{name}": float(value) for name, value in zip(LABELS, p, strict=True)},
            "model": "one",
            "extra": {"来源": ["网易", None]},
        }


def test_rows_keep_their_order_and_number_over_chunks(
    root: DataRoot,
) -> None:
    titles = [TITLES[row % 6] if row % 5 else "" for row in range(40)]
    streamed = Streamed(root, jsonl(titles), options=score_options(chunk_rows=3))
    assert [row["row"] for row in streamed.rows] == [row for row in range(40) if row % 5]
    assert [row["title"] for row in streamed.rows] == [title for title in titles if title]
    assert [reject["row"] for reject in streamed.rejects] == list(range(0, 40, 5))


def as_parquet(titles: list[str]) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"title": titles}), file)
    return file.getvalue()


def as_csv(titles: list[str]) -> bytes:
    file = io.StringIO()
    csv.writer(file).writerows([["title"], *([title] for title in titles)])
    return file.getvalue().encode()


def zstd(content: bytes) -> bytes:
    packed: bytes = pa.Codec("zstd").compress(content, asbytes=True)
    return packed


@pytest.mark.parametrize("compress", [bytes, gzip.compress, zstd])
@pytest.mark.parametrize(
    ("format", "content"),
    [
        ("jsonl", jsonl(TITLES)),
        ("csv", as_csv(TITLES)),
        ("tsv", as_csv(TITLES)),
        ("parquet", as_parquet(TITLES)),
    ],
)
def test_every_format_plain_and_compressed(
    root: DataRoot, format: str, content: bytes, compress: Callable[[bytes], bytes]
) -> None:
    streamed = Streamed(root, compress(content), format)
    assert [row["title"] for row in streamed.rows] == TITLES


def test_too_many_rejects_give_no_line_but_are_told(root: DataRoot) -> None:
    titles = ["天气"] * 4 + [""] * 3 + [5] * 2 + ["长" * 501] * 2 + [None]
    streamed = Streamed(root, jsonl(titles), options=score_options(max_reject_rate=0.6))
    assert streamed.error is not None
    assert streamed.error.location == "standard input"
    assert "8 of 12 rows" in streamed.error.problem
    commonest = "title is blank (3); title is not text (2); title is longer than 500 characters (2)"
    assert streamed.error.problem.endswith(commonest)
    assert streamed.rows == []
    assert [reject["row"] for reject in streamed.rejects] == list(range(4, 12))
    more = score_options(max_reject_rate=0.7)
    assert len(Streamed(root, jsonl(titles), options=more).rows) == 4


def test_a_reject_shows_its_bytes_as_text_where_they_are_text(root: DataRoot) -> None:
    bad = "天气".encode() + b"\xff"
    good = "title,n\n天气,1\n,天\n".encode()
    undecodable = Streamed(root, good + bad + b",2\n", "csv").rejects
    assert undecodable == [
        {"row": 1, "reason": "title is blank", "raw": ",天"},
        {
            "row": 2,
            "reason": "title has undecodable bytes",
            "raw_base64": base64.b64encode(bad + b",2").decode(),
        },
    ]
    for encoding in ("gb18030", "utf-16"):
        [reject] = Streamed(
            root, "title,n\n天气,1\n,天\n".encode(encoding), "csv", score_options(encoding=encoding)
        ).rejects
        if encoding == "gb18030":
            assert reject["raw"] == ",天"
        else:
            assert base64.b64decode(reject["raw_base64"]).decode("utf-16-le") == ",天"
    # Parquet has text of its own, whatever encoding is declared.
    content = as_parquet(["天气", "\u3000"])
    [reject] = Streamed(root, content, "parquet", score_options(encoding="gb18030")).rejects
    assert json.loads(reject["raw"]) == {"title": "\u3000"}


def test_other_columns_can_be_named_and_long_titles_cut(root: DataRoot) -> None:
    content = '{"标题":"天气","title":"x","号":3}\n{"标题":"' + "长" * 501 + '"}\n'
    options = score_options(title_column="标题", id_column="号", long_titles="cut")
    first, second = Streamed(root, content.encode(), "jsonl", options).rows
    assert (first["title"], first["id"], first["extra"]) == ("天气", "3", {"title": "x"})
    assert (second["title"], second["extra"]) == ("长" * 500, {})


@pytest.mark.parametrize(
    ("content", "format", "said"),
    [
        (b"a,b\n1,2\n", "csv", "no column 'title'"),
        (b"title\n1\n", "parquet", "the file is not Parquet"),
        (gzip.compress(jsonl(TITLES), mtime=0)[:-9], "jsonl", "truncated"),
        (as_csv(["天气"] * 9).decode().encode("gb18030"), "csv", "--encoding gb18030"),
    ],
)
def test_a_stream_that_cannot_be_read(
    root: DataRoot, content: bytes, format: str, said: str
) -> None:
    streamed = Streamed(root, content, format)
    assert streamed.error is not None
    assert streamed.error.location == "standard input"
    assert said in str(streamed.error)
    assert str(root.store.directory) not in str(streamed.error)
    assert streamed.rows == []
    assert left_in(root) == []


@pytest.mark.parametrize(("content", "format"), [(b"", "jsonl"), (b"title\n", "csv")])
def test_a_stream_without_rows_gives_none(root: DataRoot, content: bytes, format: str) -> None:
    streamed = Streamed(root, content, format)
    assert streamed.error is None
    assert streamed.counts is not None
    assert streamed.counts["rows_in"] == 0
    assert streamed.rows == []
    assert left_in(root) == []


class ClosedPipe(io.BytesIO):
    """What stands for the reader that has left."""

    def write(self, _: Any) -> int:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


def test_nothing_is_kept_whatever_happens(root: DataRoot) -> None:
    two = score_options(chunk_rows=2)
    assert Streamed(root, jsonl(TITLES), options=two).counts
    assert left_in(root) == []
    assert Streamed(root, jsonl(["", *TITLES]), options=score_options(max_reject_rate=0)).error
    assert left_in(root) == []
    content = io.BytesIO(jsonl(TITLES))
    with pytest.raises(BrokenPipeError):
        score_stream(root, content, ClosedPipe(), io.BytesIO(), "jsonl", two)
    assert left_in(root) == []
    assert not (root.store.directory / root.predictions).exists()
    assert not (root.store.directory / root.inbox).exists()


def test_without_a_model_nothing_is_read(tmp_path: Path) -> None:
    source = io.BytesIO(jsonl(TITLES))
    with pytest.raises(InputError, match="headlines train"):
        score_stream(DataRoot.open(tmp_path), source, io.BytesIO(), io.BytesIO(), "jsonl", OPTIONS)
    assert source.tell() == 0


GOOD_STARTS = {
    "csv": "title,id\n" + "天气,1\n" * 12,
    "tsv": "title\tid\n" + "天气\t1\n" * 12,
    "jsonl": '{"title":"天气"}\n' * 12,
    "parquet": "",
}


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, str]:
    """Any bytes, mostly behind a beginning that has them read row by row; and their format."""
    format = draw(st.sampled_from(["csv", "tsv", "jsonl", "csv", "tsv", "jsonl", "parquet"]))
    start = draw(st.sampled_from([GOOD_STARTS[format], GOOD_STARTS[format], ""]))
    pieces = st.one_of(st.sampled_from(PIECES), st.binary(max_size=3))
    return start.encode() + b"".join(draw(st.lists(pieces, max_size=40))), format


@settings(max_examples=200, suppress_health_check=list(HealthCheck))
@given(stream=streams())
def test_rows_in_are_rows_out_and_rejects_for_any_bytes(
    shared: DataRoot, publish_model: Callable[..., Artifact], stream: tuple[bytes, str]
) -> None:
    content, format = stream
    if not registry.versions(shared):
        publish_model(shared, "one")
        champion.promote(shared, "one", "a test")

    streamed = Streamed(shared, content, format)

    scored = [row["row"] for row in streamed.rows]
    rejected = [row["row"] for row in streamed.rejects]
    assert scored == sorted(scored)
    if streamed.counts is None:
        assert scored == []
        assert str(shared.store.directory) not in str(streamed.error)
    else:
        assert (len(scored), len(rejected)) == (
            streamed.counts["scored"], streamed.counts["rejected"],
        )  # fmt: skip
    rows_out = sorted(scored + rejected)
    assert rows_out == list(range(len(rows_out)))
    if format == "jsonl" and rows_out and not content.startswith(b"\x1f\x8b"):
        text = content.removeprefix(b"\xef\xbb\xbf")
        assert len(rows_out) == sum(bool(line.strip(b" \t")) for line in text.splitlines())
    assert all(
        row["reason"] and ("raw" in row) != ("raw_base64" in row) for row in streamed.rejects
    )
    assert left_in(shared) == []


def test_memory_does_not_grow_with_the_stream(root: DataRoot, tmp_path: Path) -> None:
    options = score_options(chunk_rows=500)

    def peak(rows: int) -> int:
        path = tmp_path / "stream.jsonl"
        path.write_bytes(jsonl([TITLES[row % 6] if row % 9 else "" for row in range(rows)]))
        with path.open("rb") as source, (tmp_path / "out").open("wb") as out:
            tracemalloc.start()
            try:
                score_stream(root, source, out, tmp_path / "rejects", "jsonl", options)
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    peak(500)  # what is made once
    assert peak(16_000) < 1.5 * peak(4_000)


# The command.


@contextlib.contextmanager
def command(root: DataRoot, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "flows", "score", *arguments],
        env=os.environ | {"HEADLINES_DATA": str(root.store.directory)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def run(root: DataRoot, content: bytes, *arguments: str) -> tuple[int, str, str]:
    with command(root, *arguments) as process:
        out, error = process.communicate(content)
    return process.returncode, out.decode(), error.decode()


def test_predictions_go_to_stdout_and_rejects_to_stderr(root: DataRoot) -> None:
    content = as_csv(["天气", "", *TITLES])
    status, out, error = run(root, content, "-", "--format", "csv", "--max-reject-rate", "0.5")
    assert status == 0
    assert [json.loads(line)["title"] for line in out.splitlines()] == ["天气", *TITLES]
    reject, counts = error.splitlines()
    assert json.loads(reject) == {"row": 1, "reason": "title is blank", "raw": '""'}
    assert counts == "headlines: 8 rows in, 7 scored, 1 rejected"


def test_the_command_writes_rejects_to_a_file(root: DataRoot, tmp_path: Path) -> None:
    file = tmp_path / "rejects.jsonl"
    content = jsonl(["天气", ""])
    status, out, error = run(root, content, "-", "--rejects", str(file), "--max-rejects", "0")
    assert (status, out) == (2, "")
    assert error.count("\n") == 1
    assert "1 of 2 rows (50.0%)" in error
    assert json.loads(file.read_bytes())["row"] == 1
    assert run(root, jsonl(["天气"]), "-", "--rejects", str(file))[0] == 0
    assert file.read_bytes() == b""


def test_the_command_may_fail_on_an_empty_stream(root: DataRoot) -> None:
    status, out, error = run(root, b"", "-", "--fail-on-empty")
    assert (status, out) == (2, "")
    assert error.splitlines()[1:] == [
        "headlines: standard input: there are no rows; pipe headlines into it"
    ]


def test_a_broken_pipe_ends_the_command_quietly(root: DataRoot) -> None:
    with command(root, "-") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stdin.write(jsonl(TITLES))
        process.stdin.close()
        rows_out = process.stderr.read()
        assert process.wait() == 1
    assert rows_out == b""
    assert left_in(root) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-", "a.csv"), "cannot be combined with other files"),
        (("-", "--rescore"), "--rescore"),
        (("-", "--batch", "a.csv"), "--batch"),
        (("-", "--csv", "a.csv"), "--csv"),
        (("-", "--rejects", "none/a"), "cannot write to"),
        (("-", "--encoding", "klingon"), "unknown encoding 'klingon'"),
        (("a.csv", "--format", "csv"), "standard input"),
        (("a.csv", "--rejects", "a"), "standard input"),
    ],
)
def test_a_wrong_call_is_one_line_and_status_2(
    root: DataRoot, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    status, out, error = run(root, jsonl(TITLES), *arguments)
    assert (status, out) == (2, "")
    assert error.count("\n") == 1
    assert said in error


def test_the_command_loads_no_prefect(root: DataRoot) -> None:
    code = (
        "import sys, flows.cli.commands\n"
        "flows.cli.commands.main(['score', '-'])\n"
        "print(sorted({'prefect', 'tensorflow'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=jsonl(TITLES), capture_output=True, check=True
    )
    assert done.stderr.splitlines()[-1] == b"[]"


def test_zstd_stream_may_begin_with_a_skippable_frame(root: DataRoot) -> None:
    frame = b"\x5a\x2a\x4d\x18\x03\x00\x00\x00abc"
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(jsonl(TITLES[:2]))
    streamed = Streamed(root, frame + bytes(sink.getvalue()))
    assert [row["title"] for row in streamed.rows] == TITLES[:2]


def test_stream_is_read_as_the_options_say(root: DataRoot) -> None:
    content = 'id;title\n1;"好"消息\n'.encode()
    streamed = Streamed(
        root, content, "csv", score_options(delimiter=";", quoting="none", id_column="id")
    )
    assert [(row["id"], row["title"]) for row in streamed.rows] == [("1", '"好"消息')]


def test_warnings_of_a_stream_are_counted(root: DataRoot) -> None:
    streamed = Streamed(root, b'{"title": "x\xe5\xa5\xbd", "n": 1, "n": 2}\n')
    assert streamed.counts is not None
    assert streamed.counts["warnings"] == {'duplicate key "n"': {"rows": 1, "first": 0}}


def test_reject_in_another_encoding_keeps_its_bytes(root: DataRoot) -> None:
    lines = ["title", "中文新闻", "一日天气"]
    bad = "某小区发生火灾".encode()
    content = "\n".join(lines).encode("gb18030") + b"\n" + bad + b"\n"
    streamed = Streamed(root, content, "csv", score_options(encoding="gb18030"))
    [reject] = streamed.rejects
    assert base64.b64decode(reject["raw_base64"]) == bad
