"""The command line: exit status 2 and one line for wrong input, and results as JSON."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.cli.commands import main
from headlines.models import champion
from headlines.scoring.batch import Batch
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import Recipe
from tests.factories import publish_model

TITLES = ["警方通报一起案件", "小学生获奖", "天气变化早知道"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files that cannot be scored, each in its own way."""
    (tmp_path / "empty.csv").touch()
    (tmp_path / "header.csv").write_text("title\n", encoding="utf-8")
    (tmp_path / "untitled.csv").write_text("id,headline\n1,天气\n", encoding="utf-8")
    text = "\n".join(["title", *TITLES])
    (tmp_path / "gb.csv").write_bytes(text.encode("gb18030"))
    (tmp_path / "good.csv").write_text(text, encoding="utf-8")
    pq.write_table(pa.table({"title": TITLES}), tmp_path / "good.parquet")
    whole = (tmp_path / "good.parquet").read_bytes()
    (tmp_path / "truncated.parquet").write_bytes(whole[:-9])
    return tmp_path


def exit_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int | str | None, str]:
    """Exit status and standard error of a call that leaves."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    shown = capsys.readouterr()
    assert shown.out == ""
    return caught.value.code, shown.err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("score", "missing.csv"), "no such file"),
        (("score", "good.csv"), "headlines train"),
        (("score", "--batch", "../outside", "good.csv"), "cannot be a batch name"),
        (("ingest", "empty.csv"), "the file is empty"),
        (("ingest", "header.csv"), "no rows"),
        (("ingest", "untitled.csv"), "'headline'"),
        (("ingest", "truncated.parquet"), "not a readable Parquet file"),
        (("ingest", "gb.csv"), "--encoding gb18030"),
        (("ingest", "good.csv", "--encoding", "klingon"), "unknown encoding 'klingon'"),
        (("ingest", "good.csv", "--name", "../x"), "cannot be a corpus name"),
        (("train", "--preset", "none"), "use one of notebook, fast, default"),
        (("train", "--corpus", "none"), "headlines ingest"),
        (("evaluate", "--model", "none"), "headlines models"),
        (("evaluate",), "headlines train"),
        (("evaluate", "--folds", "1"), "1 is not from 2 to 20"),
        (("evaluate", "--folds", "2", "--preset", "none"), "use one of notebook"),
        (("evaluate", "--folds", "2", "--corpus", "none"), "headlines ingest"),
        (("evaluate", "--preset", "best"), "only --folds trains"),
        (("promote", "../../x"), "cannot be a model version"),
        (("predict", "天气"), "headlines train"),
        (("predict", " "), "headline"),
        (("predict", "天气", "路线", "--content", "晴"), "one article belongs to one headline"),
        (("score", "good.csv", "--content-column", "id"), "--content-column"),
        (("lineage", "."), "no artifact"),
        (("review",), "headlines score"),
        (("review", "none.csv"), "no predictions of that name"),
        (("review", "--n", "0"), "0 headlines cannot be reviewed"),
        (("review", "--lot", "2"), "not between 0 and 1"),
        (("review", "--name", "../x"), "cannot be a review name"),
        (("label", "good.csv"), "no column label"),
        (("label", "gb.csv"), "--encoding gb18030"),
        (("label", "missing.csv"), "no such file"),
        (("score",), "required: FILE"),
        (("score", "good.csv", "--delimiter", ";;"), "--delimiter"),
        (("score", "good.csv", "--quoting", "yes"), "invalid choice"),
        (("predict", "-20℃寒潮来袭"), "-- '-20℃寒潮来袭'"),
        (("predict", "好", "-20℃寒潮来袭"), "-- '-20℃寒潮来袭'"),
        (("predict", "--", "-20℃寒潮来袭"), "headlines train"),
        (("ingest", "good.csv", "--delimiter", ";;"), "--delimiter"),
        (("nightly", "--max-reject-rate", "7"), "between 0 and 1"),
        (("nightly", "--settle", "-1"), "not a number of at least 0"),
        (("nightly", "--from", "2026-11-31"), "'2026-11-31' is not a day"),
        (("nightly", "--from", "2026-11-20", "--to", "2026-11-19"), "is before the first"),
        (("nightly", "--drift-warn", "0"), "--drift-warn"),
        (("nightly", "--drift-stop", "nan"), "--drift-stop"),
        (("archive", "--older-than", "nan"), "not a number of at least 0"),
        (("score", "-", "--json"), "JSON lines in any case"),
        (("score", "."), "--batch"),
        (("score", "good.csv", "good.csv", "--batch", "b.csv"), "named twice"),
        ((), "VERB"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    expected: str,
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HEADLINES_DATA", str(folder / "root"))

    status, error = exit_of(capsys, *arguments)

    assert status == 2
    assert error.count("\n") == 1
    assert expected in error
    left_behind = [p for p in (folder / "root").rglob("*") if p.is_file()]
    assert left_behind == []


def test_a_data_root_that_cannot_be_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HEADLINES_DATA", str(folder / "good.csv" / "root"))
    status, error = exit_of(capsys, "ingest", str(folder / "good.csv"))
    assert status == 2
    assert "set HEADLINES_DATA" in error
    assert error.count("\n") == 1


def test_the_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, flows.cli.commands\n"
        "try: flows.cli.commands.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'prefect', 'tensorflow', 'pandas', 'pyarrow', 'numpy', 'jieba', 'jinja2'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "nightly" in shown.stdout
    assert shown.stderr == "[]\n"


def test_the_archive_is_shown_as_json_and_in_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = DataRoot.open(tmp_path / "root")
    monkeypatch.setenv("HEADLINES_DATA", root.url)
    inbox = root.store.path(root.inbox)
    inbox.mkdir(parents=True)
    for name in ("a.csv", "due.csv"):
        (inbox / name).write_text("title\n天气\n", encoding="utf-8")
    batch = Batch.of_file(root, inbox / "a.csv")
    recipe = Recipe("predictions", 1, (batch.as_source(root),), {})
    predictions = root.store.publish(root.predictions_of("a.csv"), recipe, lambda _: {})

    main(["archive", "--older-than", "0", "--dry-run"])
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "a.csv"
    assert shown[1].startswith("1 batch would be moved to ")
    assert shown[2] == "left in the inbox: 1 due"
    main(["archive", "--older-than", "0", "--json"])
    result = json.loads(capsys.readouterr().out)
    assert (result["moved"], result["kept"]) == ({"a.csv": "a.csv"}, {"due": 1})
    assert root.store.path("archive/a.csv").is_file()
    main(["lineage", predictions.location])
    assert "file archive/a.csv" in capsys.readouterr().out


@pytest.mark.usefixtures("prefect_server")
def test_verbs_print_their_result_as_json(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    corpus_file: Path,
    small_preset: str,
) -> None:
    monkeypatch.setenv("HEADLINES_LANG", "en")  # and restored at the end
    monkeypatch.setenv("HEADLINES_DATA", str(folder / "root"))

    def result(*arguments: str) -> Any:
        main([*arguments, "--json"])
        return json.loads(capsys.readouterr().out)

    ingested = result("ingest", str(corpus_file))
    assert ingested["counts"]["rows"] == 90
    trained = result("train", "--preset", small_preset, "--corpus", "news", "--lang", "zh")
    monkeypatch.setenv("HEADLINES_LANG", "en")
    assert result("train", "--preset", small_preset, "--corpus", "news")["reused"] is True
    [model] = result("models")
    assert model["champion"] is True
    assert trained["artifact"].endswith(model["version"])
    evaluated = result("evaluate", "--corpus", "news")
    assert evaluated["counts"]["metrics"]["test"]["all"]["rows"] == 18
    for artifact in (trained, evaluated):  # the evaluation is of the training, and reused
        page = Path(artifact["artifact"], "report.html").read_text("utf-8")
        assert '<html lang="zh">' in page
    [scored] = result("score", str(folder / "good.csv"))["batches"]
    assert scored["scored"] == 3
    [predicted] = result("predict", TITLES[1])
    assert abs(sum(predicted[f"p_{name}"] for name in scored["labels"]) - 1) < 1e-5
    links = result("lineage", scored["predictions"])
    assert next(link["path"] for link in links if link["what"] == "file") == str(
        folder / "good.csv"
    )
    assert not any(link["problem"] for link in links)


@pytest.mark.usefixtures("prefect_server")
def test_a_stopped_batch_exits_with_2_without_traceback(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    corpus_file: Path,
    small_preset: str,
) -> None:
    from prefect.settings import PREFECT_API_URL

    monkeypatch.setenv("HEADLINES_DATA", str(folder / "root"))
    main(["ingest", str(corpus_file)])
    main(["train", "--preset", small_preset, "--corpus", "news"])
    (folder / "blank.csv").write_text("title,n\n,1\n天气,2\n", encoding="utf-8")
    capsys.readouterr()

    left = subprocess.run(
        [sys.executable, "-m", "flows", "score", str(folder / "blank.csv"), "--max-rejects", "0"],
        env=os.environ | {"PREFECT_API_URL": PREFECT_API_URL.value()},
        capture_output=True,
        text=True,
    )

    assert left.returncode == 2
    assert left.stdout == ""
    assert "Traceback" not in left.stderr
    assert "1 of 2 rows (50.0%)" in left.stderr.splitlines()[-1]
    assert left.stderr.count("1 of 2 rows") == 1
    report = folder / "root" / "failed" / "batch=blank.csv" / "report.md"
    assert left.stderr.endswith(f"see {report}\n")
    assert report.is_file()


@pytest.mark.parametrize(
    "locale", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}]
)
def test_a_locale_without_chinese_fails_no_job(root: DataRoot, locale: dict[str, str]) -> None:
    publish_model(root, "2026-11-20-00000000")
    champion.promote(root, "2026-11-20-00000000", "a test")
    for option in ("--json-logs", "--json"):
        done = subprocess.run(
            [sys.executable, "-m", "flows", "predict", option, TITLES[1]],
            env=os.environ | locale,
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()
    assert json.loads(done.stdout)[0]["title"] == TITLES[1]


def test_prefects_home_follows_the_data_root(tmp_path: Path) -> None:
    code = (
        "import os, flows.cli.commands\n"
        "try: flows.cli.commands.main(['models', '--data', 'elsewhere'])\n"
        "finally: print(os.environ['PREFECT_HOME'])"
    )
    environment = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    for own, expected in (({}, tmp_path / "elsewhere/.prefect"), ({"PREFECT_HOME": "/x"}, "/x")):
        shown = subprocess.run(
            [sys.executable, "-c", code],
            env={**environment, **own, "PYTHONPATH": str(Path.cwd())},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert shown.splitlines()[-1] == str(expected)


@pytest.mark.parametrize("before", [True, False])
def test_common_options_before_or_after_the_verb(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    before: bool,
) -> None:
    monkeypatch.setenv("HEADLINES_DATA", str(tmp_path / "other"))
    monkeypatch.setenv("PREFECT_HOME", "kept")
    options = ["--data", str(tmp_path / "root"), "--json"]
    main([*options, "doctor"] if before else ["doctor", *options])
    checks = {check["name"]: check["message"] for check in json.loads(capsys.readouterr().out)}
    assert checks["data root"].startswith(f"{tmp_path / 'root'},")
