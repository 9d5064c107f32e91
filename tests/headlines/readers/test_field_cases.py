"""Awkward files that people reported, each with what must come of it."""

import bz2
import io
import json
import lzma
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.orc as orc
import pytest

from headlines.errors import InputError
from headlines.readers import ReadOptions
from headlines.readers.text_lines import iter_lines
from headlines.scoring.rows import iter_records, validate_row

from .sources import compressed, parquet

DATA = Path(__file__).parent / "data"
ALL = "股市大涨", "小学生获奖"  # the titles of most cases


class Outcome:
    """What becomes of the rows of a file: titles, ids, rejects by row, and warnings by row."""

    def __init__(self, path: Path, options: ReadOptions) -> None:
        self.titles: list[str] = []
        self.ids: list[str | None] = []
        self.extra: list[str | None] = []
        self.rejects: dict[int, str] = {}
        self.warnings: dict[int, tuple[str, ...]] = {}
        for record in iter_records([path], options, path.parent):
            if record.warnings:
                self.warnings[record.row] = record.warnings
            try:
                row = validate_row(record, options)
            except ValueError as error:
                self.rejects[record.row] = str(error)
                continue
            self.titles.append(row.title)
            self.ids.append(row.id)
            self.extra.append(row.extra)


def outcome(path: Path, **options: Any) -> Outcome:
    return Outcome(path, ReadOptions(**options))


def error_of(path: Path, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        outcome(path, **options)
    assert "upload it again" not in str(caught.value)
    return str(caught.value)


def written(tmp_path: Path, name: str, content: str | bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("name", "options", "titles", "ids"),
    [
        ("bom_mid.csv", {}, ALL, ["1", "2"]),
        ("semicolon.csv", {"delimiter": ";"}, ALL, ["1", "2"]),
        ("tab.csv", {"delimiter": "\\t"}, ALL[:1], ["1"]),
        ("tab.csv", {"delimiter": "tab"}, ALL[:1], ["1"]),
        ("sep_line.csv", {}, ALL, ["1", "2"]),
        ("skippable_frame.csv.zst", {}, ALL, ["1", "2"]),
        ("utf16_no_bom.csv", {"encoding": "utf-16-le"}, ALL, ["1", "2"]),
        ("header_case.csv", {"title_column": "Title"}, ALL[:1], [None]),
        ("far_timestamp.parquet", {}, (*ALL, "某小区火灾"), [None] * 3),
        ("big5.csv", {"encoding": "cp950"}, ("股市大漲",), [None]),
        ("mixed_gb18030.csv", {"encoding": "gb18030"}, ("某小区火灾", "学校获奖"), ["1", "2"]),
        ("duplicate_keys.jsonl", {}, ("x好",), ["4"]),
        (
            "tsv_quotes.tsv",
            {},
            ('"最强台风"登陆广东沿海', "青岛地铁开通三条线", "某小区发生火灾致三人受伤"),
            ["1", "2", "3"],
        ),
        (
            "tsv_quote_spans.tsv",
            {},
            (
                '"没有关上的引号',
                "青岛地铁开通三条线",
                "某小区发生火灾致三人受伤",
                "小学生获奖",
                '结尾才有引号"',
                "股市大涨",
            ),
            ["1", "2", "3", "4", "5", "6"],
        ),
    ],
)
def test_case_is_read(
    name: str, options: dict[str, Any], titles: tuple[str, ...], ids: list[str | None]
) -> None:
    read = outcome(DATA / name, **options)
    assert read.titles == list(titles)
    assert read.ids == ids


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("big5.csv", {}, "add --encoding cp950, or"),
        ("big5.csv", {"encoding": "gb18030"}, "is cp950, not gb18030"),
        ("semicolon.csv", {}, "add --delimiter ';'"),
        ("tab.csv", {}, "add --delimiter tab"),
        ("utf16_no_bom.csv", {}, "add --encoding utf-16-le"),
        ("utf16_no_bom.csv", {"encoding": "gb18030"}, "add --encoding utf-16-le"),
        ("xlsx.csv", {}, "a spreadsheet (.xlsx); export it as CSV UTF-8"),
        ("encrypted.parquet", {}, "the Parquet file is encrypted"),
        ("header_case.csv", {}, "give --title-column Title"),
        ("bom_mid.csv", {"id_column": "articleid"}, "no column 'articleid'"),
        ("bom_mid.csv", {"content_column": "body"}, "no column 'body'"),
        ("header_case.csv", {"title_column": "Title", "id_column": "id"}, "give --id-column ID"),
        ("far_timestamp.parquet", {"id_column": "id"}, "no column 'id'"),
    ],
)
def test_case_is_refused(name: str, options: dict[str, Any], said: str) -> None:
    assert said in error_of(DATA / name, **options)


def test_column_that_may_have_been_meant_for_ids_is_reported() -> None:
    read = outcome(DATA / "header_case.csv", title_column="Title")
    [warning] = read.warnings[0]
    assert "'ID'" in warning
    assert outcome(DATA / "header_case.csv", title_column="Title", id_column="ID").ids == ["1"]


def test_lines_of_utf8_in_gb18030_are_rejected() -> None:
    read = outcome(DATA / "mixed_gb18030.csv", encoding="gb18030")
    assert read.rejects == {2: "the line is UTF-8, not gb18030"}


def test_duplicate_keys_are_rejected_or_counted() -> None:
    read = outcome(DATA / "duplicate_keys.jsonl")
    assert read.rejects == {0: 'duplicate key "title"', 1: 'duplicate key "id"'}
    assert read.warnings == {2: ('duplicate key "t"',)}
    assert read.extra == ['{"t":2}']


def test_duplicate_key_of_an_inner_object_is_only_counted(tmp_path: Path) -> None:
    line = '{"title": "好", "related": [{"title": "甲", "title": "乙"}]}\n'
    read = outcome(written(tmp_path, "a.jsonl", line))
    assert (read.titles, read.warnings) == (["好"], {0: ('duplicate key "title"',)})


def test_far_timestamp_is_kept_as_text() -> None:
    read = outcome(DATA / "far_timestamp.parquet")
    assert read.extra[0] == '{"until":"10000-01-01 00:00:00"}'
    assert list(read.warnings) == [0]


# --- encodings ------------------------------------------------------------------------------

SIMPLIFIED = [
    "股市大跌",
    "某地地震，十人失去住家",
    "明天放晴",
    "小学生获奖",
    "青岛地铁开通三条线",
    "最强台风登陆广东沿海",
    "北京公司发布业绩公告",
    "一曲离骚",
]
TRADITIONAL = [
    "股市大漲",
    "財經新聞標題",
    "氣象預報說明天轉晴",
    "體育比賽結果",
    "台股收盤下跌百點",
    "颱風假北市停班停課",
    "恒生指數急升",
    "碁石比賽冠軍",
    "總統府召開記者會",
]
JAPANESE = ["東京株式市場が大幅上昇", "台風の影響で休校", "コロナ感染が拡大"]
KOREAN = ["서울 증시 급등", "태풍으로 휴교", "대통령 기자회견 오늘 열려"]
IN_OLD_ENCODINGS = [
    *(("gb18030", title) for title in SIMPLIFIED),
    *(("cp950", title) for title in TRADITIONAL),
    *(("cp932", title) for title in JAPANESE),
    *(("euc_jp", title) for title in JAPANESE),
    *(("cp949", title) for title in KOREAN),
]


@pytest.mark.parametrize(("encoding", "title"), IN_OLD_ENCODINGS)
def test_old_encoding_of_one_title_is_named(tmp_path: Path, encoding: str, title: str) -> None:
    path = written(tmp_path, "a.csv", f"title\n{title}\n".encode(encoding))
    assert f"--encoding {encoding}," in error_of(path) or f" or {encoding}" in error_of(path)
    assert outcome(path, encoding=encoding).titles == [title]


@pytest.mark.parametrize(
    ("encoding", "titles"), [("gb18030", SIMPLIFIED), ("cp950", TRADITIONAL), ("cp949", KOREAN)]
)
def test_old_encoding_of_some_titles_is_certain(
    tmp_path: Path, encoding: str, titles: list[str]
) -> None:
    path = written(tmp_path, "a.csv", "\n".join(["title", *titles]).encode(encoding))
    assert f"add --encoding {encoding}, or save the file as UTF-8" in error_of(path)


@pytest.mark.parametrize("other", ["cp950", "latin-1", "cp932"])
def test_wrong_declared_encoding_is_refused(tmp_path: Path, other: str) -> None:
    path = written(tmp_path, "a.csv", "\n".join(["title", *SIMPLIFIED]).encode("gb18030"))
    assert f"is gb18030, not {other}" in error_of(path, encoding=other)


@pytest.mark.parametrize("title", [*SIMPLIFIED, *TRADITIONAL, *JAPANESE, "龘靐齉爩", "ΑΒΓΔ Привет"])
def test_right_declared_encoding_is_never_refused(tmp_path: Path, title: str) -> None:
    path = written(tmp_path, "a.csv", f"title\n{title}\n".encode("gb18030"))
    read = outcome(path, encoding="gb18030")
    assert (read.titles, read.rejects) == ([title], {})


def test_unclear_encoding_names_all_that_it_may_be(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "title\n中央\n".encode("cp950"))
    assert "cp950" in error_of(path)
    assert "gb18030" in error_of(path)


def test_big5_lacks_characters_that_cp950_has(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "title\n股市大漲\n恒生指數\n碁石\n".encode("cp950"))
    read = outcome(path, encoding="big5")
    assert read.rejects == dict.fromkeys((1, 2), "the line is cp950, not big5")


@pytest.mark.parametrize("title", ["某小区发生火灾致4人伤", "好", "“头条”新闻", "龘"])
@pytest.mark.parametrize("encoding", ["gb18030", "cp950", "latin-1"])
def test_line_of_utf8_is_found_in_any_old_encoding(
    tmp_path: Path, encoding: str, title: str
) -> None:
    lines = ["title", "中文", "一日"]
    if encoding == "latin-1":
        lines = ["title", "café", "über"]
    content = "\n".join(lines).encode(encoding) + f"\n{title}\n".encode()
    read = outcome(written(tmp_path, "a.csv", content), encoding=encoding)
    assert (read.titles, read.rejects) == (lines[1:], {2: f"the line is UTF-8, not {encoding}"})


@pytest.mark.parametrize(
    ("codec", "name"),
    [
        ("utf-16-le", "a.csv"),
        ("utf-16-be", "a.jsonl"),
        ("utf-32-le", "a.tsv"),
        ("utf-32-be", "a.csv"),
    ],
)
def test_wide_encoding_without_a_mark_is_named(tmp_path: Path, codec: str, name: str) -> None:
    titles = list(ALL)
    text = "\n".join(["title", *titles])
    if name.endswith("jsonl"):
        text = "\n".join(f'{{"title": "{title}"}}' for title in titles)
    path = written(tmp_path, name, text.encode(codec))
    assert f"add --encoding {codec}" in error_of(path)
    assert outcome(path, encoding=codec).titles == titles


@pytest.mark.parametrize(
    ("content", "declared", "right"),
    [("utf-16-be", "utf-16", "utf-16-be"), ("utf-16", "utf-16-be", "utf-16"),
     ("utf-32-le", "utf-16", "utf-32-le"), ("utf-32", "utf-8", "utf-32")],
)  # fmt: skip
def test_other_wide_encoding_is_named(
    tmp_path: Path, content: str, declared: str, right: str
) -> None:
    path = written(tmp_path, "a.csv", "\n".join(["title", *ALL]).encode(content))
    assert error_of(path, encoding=declared).endswith(f"add --encoding {right}")
    assert outcome(path, encoding=right).titles == list(ALL)


def test_utf8_declared_as_utf16_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "\n".join(["title", *ALL]))
    assert "is UTF-8, not utf-16" in error_of(path, encoding="utf-16")


@pytest.mark.parametrize(
    "content", [bytes(range(256)) * 20, b"\x89PNG\r\n\x1a\n" + bytes(300)], ids=["any", "png"]
)
def test_file_that_is_not_text_is_named_so(tmp_path: Path, content: bytes) -> None:
    assert "not text" in error_of(written(tmp_path, "a.csv", content))


def test_header_of_a_joined_file_is_rejected(tmp_path: Path) -> None:
    read = outcome(written(tmp_path, "a.csv", "\ufeffid,title\n1,好\n\ufeffid,title\n2,坏\n"))
    assert (read.titles, read.rejects) == (["好", "坏"], {1: "the header again"})


def test_nul_in_utf8_is_not_taken_for_utf16(tmp_path: Path) -> None:
    read = outcome(written(tmp_path, "a.csv", "title\n" + "股市大涨\n" * 50 + "a\x00b\n"))
    assert (len(read.titles), list(read.rejects)) == (50, [50])


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl"])
def test_marks_of_joined_files_are_dropped(tmp_path: Path, encoding: str, name: str) -> None:
    lines = ["title", *ALL]
    if name == "a.jsonl":
        lines = [f'{{"title": "{title}"}}' for title in ("好", *ALL)]
    path = written(tmp_path, name, "".join(f"\ufeff{line}\n" for line in lines).encode(encoding))
    assert outcome(path, encoding=encoding).titles[-2:] == list(ALL)


# --- foreign formats ------------------------------------------------------------------------


def tar(content: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo("news.csv")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def zipped(name: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, "x")
    return file.getvalue()


def orc_file() -> bytes:
    sink = pa.BufferOutputStream()
    orc.write_table(pa.table({"title": list(ALL)}), sink)
    return bytes(sink.getvalue())


CSV = "title\n股市大涨\n".encode()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (zipped("xl/workbook.xml"), "a spreadsheet (.xlsx)"),
        (zipped("word/document.xml"), "a Word document"),
        (zipped("news.csv"), "a ZIP archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504), "(.xls)"),
        (orc_file(), "an ORC file"),
        (bz2.compress(CSV * 9), "compressed with bzip2"),
        (lzma.compress(CSV * 9), "compressed with xz"),
        (tar(CSV), "a tar archive"),
        (b"<!DOCTYPE html>\n<html><body>404</body></html>", "an HTML page"),
        (b"SQLite format 3\x00" + bytes(84), "an SQLite database"),
    ],
)
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet", "a.tsv.gz", "a.csv.zst"])
def test_foreign_format_is_named(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    for inside in (False, True):
        suffix = Path(name).suffix
        if inside and suffix in (".gz", ".zst"):
            content = compressed(content, suffix)
        assert said in error_of(written(tmp_path, name, content))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", parquet({"title": list(ALL)}), "let its name end in .parquet"),
        ("a.parquet", CSV, "the file is not Parquet"),
        ("a.jsonl", CSV, "--format csv"),
        ("a.csv", b'{"title": "x"}\n', "--format jsonl"),
        ("a.csv.gz", compressed(compressed(CSV, ".gz"), ".gz"), "compressed twice"),
        ("a.csv.gz", compressed(CSV, ".zst"), "let its name end in .zst"),
        ("a.csv.zst", compressed(CSV, ".gz"), "let its name end in .gz"),
        ("a.csv.gz", CSV, "remove .gz from its name"),
        ("a.parquet", compressed(parquet({"title": list(ALL)}), ".gz"), "let its name end in .gz"),
    ],
)
def test_wrong_name_of_a_supported_format(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    assert said in error_of(written(tmp_path, name, content))


@pytest.mark.parametrize("start", ["ORC", "PAR1", "BZh9", "Obj", "FEA1", "PK"])
def test_header_that_begins_like_a_format_is_text(tmp_path: Path, start: str) -> None:
    read = outcome(written(tmp_path, "a.csv", f"{start},title\nx,好\n"))
    assert read.titles == ["好"]


# --- delimiters, quotation marks, columns ---------------------------------------------------


@pytest.mark.parametrize(
    ("name", "delimiter", "shown"),
    [
        ("a.csv", ";", "';'"),
        ("a.csv", "|", "'|'"),
        ("a.csv", "\t", "tab"),
        ("a.tsv", ",", ","),
        ("a.csv", "，", "'，'"),
        ("a.csv", "\x01", r"$'\x01'"),
        ("a.csv", "^", "'^'"),
    ],
)
def test_other_delimiter_is_named_and_read(
    tmp_path: Path, name: str, delimiter: str, shown: str
) -> None:
    lines = [["id", "title"], ["1", "股市大涨"], ["2", "小学生获奖"]]
    path = written(tmp_path, name, "\n".join(delimiter.join(line) for line in lines))
    assert f"add --delimiter {shown}" in error_of(path)
    assert outcome(path, delimiter=delimiter).titles == list(ALL)


def test_other_delimiter_is_named_in_a_quoted_header(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", '"id";"title"\n"1";"股市; 大涨"\n')
    assert "add --delimiter ';'" in error_of(path)
    assert outcome(path, delimiter=";").titles == ["股市; 大涨"]


@pytest.mark.parametrize("line", ["sep=;", "SEP=;", '"sep=;"'])
def test_separator_line_of_excel_is_named_and_skipped(tmp_path: Path, line: str) -> None:
    path = written(tmp_path, "a.csv", f"{line}\r\nid;title\r\n1;股市大涨\r\n")
    assert "sep=" in error_of(path)
    read = outcome(path, delimiter=";")
    assert (read.titles, read.ids) == (["股市大涨"], ["1"])


@pytest.mark.parametrize("delimiter", ["", ";;", '"', "\n", " "])
def test_impossible_delimiter_is_refused(delimiter: str) -> None:
    with pytest.raises(InputError, match="--delimiter"):
        ReadOptions(delimiter=delimiter)


def test_quoted_tsv_is_read_on_request(tmp_path: Path) -> None:
    path = written(tmp_path, "a.tsv", '"id"\t"title"\n"1"\t"他说""好""\t走了"\n')
    assert "add --quoting csv" in error_of(path)
    assert outcome(path, quoting="csv").titles == ['他说"好"\t走了']


def test_csv_with_literal_quotation_marks(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", 'id,title\n1,"最强台风"登陆\n2,好\n')
    assert list(outcome(path).rejects) == [0]
    assert outcome(path, quoting="none").titles == ['"最强台风"登陆', "好"]


def test_rows_inside_a_quoted_field_are_reported(tmp_path: Path) -> None:
    rows = '1,好\n2,"没有关上\n3,青岛\n4,某小区\n5,结尾"\n6,大涨\n'
    read = outcome(written(tmp_path, "a.csv", f"id,title\n{rows}"))
    assert read.ids == ["1", "2", "6"]
    [(row, [warning])] = read.warnings.items()
    assert (row, "look like rows" in warning) == (1, True)


def test_article_of_several_lines_is_not_reported(tmp_path: Path) -> None:
    article = "第一段，很长。\n第二段，\n\n第三段"
    read = outcome(written(tmp_path, "a.csv", f'id,title,content\n1,好,"{article}"\n'))
    assert (len(read.titles), read.warnings) == (1, {})


@pytest.mark.parametrize("header", ["Title", " title", "TITLE ", "ｔｉｔｌｅ", "\u3000title"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.parquet"])
def test_column_that_differs_in_little_is_named(tmp_path: Path, name: str, header: str) -> None:
    content: str | bytes = {
        "a.csv": f"{header},n\n好,1\n",
        "a.tsv": f"{header}\tn\n好\t1\n",
        "a.jsonl": f'{{"{header}": "好"}}\n',
        "a.parquet": parquet({header: ["好"]}),
    }[name]
    path = written(tmp_path, name, content)
    assert repr(header) in error_of(path)
    assert outcome(path, title_column=header).titles == ["好"]


# --- size -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl"])
def test_very_many_columns_are_read(tmp_path: Path, name: str) -> None:
    """In a time that grows with their number; its square would be minutes."""
    columns = ["title", *(f"c{number}" for number in range(100_000))]
    if name == "a.jsonl":
        content = json.dumps(dict.fromkeys(columns, "好"))
    else:
        mark = "," if name == "a.csv" else "\t"
        content = f"{mark.join(columns)}\n{mark.join('好' for _ in columns)}\n"
    assert outcome(written(tmp_path, name, content)).titles == ["好"]


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_blank_lines_are_read_many_at_once(end: str, encoding: str) -> None:
    content = f"title{end}好{end}{end * 200_000}坏{end}".encode(encoding)
    lines = list(iter_lines(io.BufferedReader(io.BytesIO(content)), encoding))
    assert len(lines) < 1_000
    raw = b"".join(line.raw for line in lines)
    assert raw.decode(encoding.replace("16", "16-le")).removeprefix("\ufeff") == content.decode(
        encoding
    )


def test_blank_lines_inside_quotes_belong_to_the_field(tmp_path: Path) -> None:
    content = f'id,title,content\n1,好,"a{chr(10) * 20_000}b"\n\n\n\r\n\r\n2,坏,c\n'
    read = outcome(written(tmp_path, "a.csv", content))
    assert read.titles == ["好", "坏"]
    assert json.loads(read.extra[0] or "")["content"] == f"a{chr(10) * 20_000}b"


def test_options_that_are_not_used_leave_the_keys_of_batches() -> None:
    # Golden: it is part of the keys of predictions on disk.
    assert ReadOptions().to_config() == {
        "encoding": "utf-8",
        "title_column": "title",
        "id_column": "id",
        "long_titles": "reject",
        "content_column": "content",
    }
    assert ReadOptions(delimiter="tab").to_config()["delimiter"] == "\t"
