"""Scoring one batch: the books balance, and the same batch gives the same bytes."""

import dataclasses
import gzip
import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headlines.errors import DamagedArtifact, InputError
from headlines.labels import LABELS
from headlines.metrics.profile import BINS, Profile
from headlines.models import champion, registry
from headlines.readers.titles import MAX_TITLE, record_id
from headlines.scoring import score_chunks
from headlines.scoring.batch import Batch
from headlines.scoring.batch_state import BatchState, batch_state
from headlines.scoring.chunks import ROWS_FILE, ChunkRef, chunk_refs, read_chunk
from headlines.scoring.commit import commit
from headlines.scoring.options import ScoreOptions
from headlines.scoring.prepare import check_rejects, prepare_batch, read_batch
from headlines.scoring.results import batch_result
from headlines.scoring.run_batch import preflight
from headlines.scoring.score_chunks import PREDICTION_SCHEMA
from headlines.segmentation import Segmenter, segment
from headlines.settings import Settings
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import MANIFEST, Recipe
from lstm_model.architecture import weight_shapes
from lstm_model.bundle import Bundle, write_bundle
from lstm_model.packed import PackedScorer
from lstm_model.presets import PRESETS, Preset
from lstm_model.vocabulary import Vocabulary
from tests.score import OPTIONS, make_jobs, run, score, score_options

TITLES = ["某地火灾三人受伤", "小学生获奖", "明日天气", "小学生获奖", "关于路线的公告", "喜讯"]
# (line of a JSONL batch, whether it can be scored)
LINES = [
    ('{"title":"火灾"}', True),
    ('{"title":"喜讯","id":7,"other":[1,null]}', True),
    ('{"title":"  \\u3000"}', False),
    ('{"title":""}', False),
    ('{"title":null}', False),
    ('{"id":3}', False),
    ('{"title":5}', False),
    ('{"title":"天\\u0000气"}', False),
    ('{"title":"\\ud800"}', False),
    ('{"title":"天气"', False),
    ("[1]", False),
    ('{"title":"' + "长" * 501 + '"}', False),
    ('{"title":"' + "长" * 500 + '"}', True),
]


def make_champion(root: DataRoot, seed: int = 0) -> Artifact:
    """A champion with weights that nobody trained; its name does not depend on them."""
    values = PRESETS["fast"].to_dict() | {"embedding_size": 5, "units": 4, "min_count": 1}
    preset = Preset.from_dict(values)
    vocabulary = Vocabulary.build(segment(TITLES), preset.rules)
    random = np.random.default_rng(seed)
    weights = {
        name: random.normal(size=shape).astype(np.float32)
        for name, shape in weight_shapes(preset, len(vocabulary)).items()
    }
    history = [{"epoch": 1.0}]

    def write(draft: Path) -> dict[str, Any]:
        write_bundle(draft, Bundle(preset, [vocabulary], weights, history, 1))
        return {}

    config = {"preset": preset.to_dict(), "segmenter": Segmenter().fingerprint()}
    recipe = Recipe("model", 1, (), config)
    model = root.store.publish(root.model(registry.new_version(recipe.key)), recipe, write)
    champion.promote(root, model.version, "a test")
    return model


def test_the_predictions_are_the_scorers_own(root: DataRoot, tmp_path: Path) -> None:
    model = make_champion(root)
    file = tmp_path / "news.csv"
    file.write_text("title\n" + "\n".join(TITLES), encoding="utf-8")

    predictions = score(root, file)

    table = pq.read_table(predictions.directory / "part-00000.parquet", partitioning=None)
    assert table.schema.equals(PREDICTION_SCHEMA)
    expected = PackedScorer.load(model.directory).predict(segment(TITLES))
    for label, name in enumerate(LABELS):
        assert table.column(f"p_{name}").to_pylist() == expected[:, label].tolist()
    assert table.column("label").to_pylist() == expected.argmax(axis=1).tolist()
    assert table.column("probability").to_pylist() == expected.max(axis=1).tolist()
    assert table.column("record_id").to_pylist() == [record_id(title) for title in TITLES]
    assert set(table.column("model").to_pylist()) == {model.version}
    assert table.column("extra").null_count == len(TITLES)
    assert [source.sha256 for source in predictions.manifest.inputs] == [
        Batch.of_file(root, file).sha256,
        model.manifest.key,
    ]


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(chosen=st.lists(st.sampled_from(LINES), min_size=1, max_size=30))
def test_rows_in_are_rows_scored_and_rejected(
    tmp_path_factory: pytest.TempPathFactory, chosen: list[tuple[str, bool]]
) -> None:
    root = DataRoot.open(tmp_path_factory.mktemp("root"))
    make_champion(root)
    file = root.store.directory / "news.jsonl"
    lines = ['{"title":"火灾"}', *(line for line, _ in chosen)]
    file.write_text("\n".join(lines), encoding="utf-8")
    good = [0, *(row for row, (_, scorable) in enumerate(chosen, 1) if scorable)]
    bad = [row for row in range(len(lines)) if row not in good]

    predictions = score(root, file)

    counts = predictions.counts
    assert (counts["rows_in"], counts["scored"], counts["rejected"]) == (
        len(lines), len(good), len(bad),
    )  # fmt: skip
    table = pq.read_table(predictions.directory, partitioning=None)
    assert table.column("row").to_pylist() == good
    assert sum(counts["labels"].values()) == len(good)
    profile = Profile.from_dict(counts["profile"])  # refused where a bin's count is lost
    assert (profile.rows, profile.labels) == (len(good), counts["labels"])
    rejects_directory = root.store.directory / root.rejects_of("news.jsonl")
    assert rejects_directory.exists() == bool(bad)
    if bad:
        rejects = pq.read_table(rejects_directory, partitioning=None)
        assert rejects.column("row").to_pylist() == bad
        assert rejects.column("raw").to_pylist() == [lines[row].encode() for row in bad]
        assert all(rejects.column("reason").to_pylist())
        assert sum(counts["reasons"].values()) == len(bad)


def test_the_profile_is_that_of_the_rows(root: DataRoot, tmp_path: Path) -> None:
    make_champion(root)
    file = tmp_path / "news.csv"
    titles = [*TITLES, "喜讯" * 8, "未知词语 喜讯"]
    file.write_text("title\n" + "\n".join(titles), encoding="utf-8")

    predictions = score(root, file, score_options(chunk_rows=3))  # three profiles are added

    assert len(predictions.files(".parquet")) == 3
    profile = Profile.from_dict(predictions.counts["profile"])
    table = pq.read_table(predictions.directory, partitioning=None)
    known = {word for title in TITLES for word in segment([title])[0]}
    unknown = []
    for words in segment(titles):
        words = [word for word in words if word.strip()]
        unknown.append(sum(word not in known for word in words) / len(words))
    assert profile.means == pytest.approx(
        {
            "confidence": np.mean(table.column("probability").to_numpy()),
            "length": np.mean([len(title) for title in titles]),
            "unknown": np.mean(unknown),
        }
    )
    assert 0 < sum(unknown) < 3
    for name in ("length", "confidence"):
        values = (
            [len(title) for title in titles]
            if name == "length"
            else table.column("probability").to_pylist()
        )
        assert profile.counts(name) == tuple(
            sum(low < value <= high for value in values)
            for low, high in itertools.pairwise((0, *BINS[name]))
        )


def test_chunks_scored_before_profiles_are_scored_again(root: DataRoot, tmp_path: Path) -> None:
    make_champion(root)
    file = tmp_path / "news.csv"
    file.write_text("title\n" + "\n".join(TITLES), encoding="utf-8")
    batch = Batch.of_file(root, file)
    [job] = make_jobs(root, batch, prepare_batch(root, batch, OPTIONS))
    config = {name: value for name, value in job.recipe.config.items() if name != "profile"}
    before = dataclasses.replace(job.recipe, config=config)

    def write(draft: Path) -> dict[str, Any]:
        (draft / "part").write_bytes(b"of an earlier version")
        return {"scored": 6, "labels": dict.fromkeys(LABELS, 2)}

    root.store.publish(root.chunk(before.key), before, write)
    assert score(root, file).counts["profile"]["rows"] == len(TITLES)


def test_predictions_from_before_profiles_were_kept_are_read(
    root: DataRoot, tmp_path: Path
) -> None:
    make_champion(root)
    file = tmp_path / "news.csv"
    file.write_text("title\n喜讯", encoding="utf-8")
    predictions, batch = score(root, file), Batch.of_file(root, file)
    assert batch_result(root, batch, "reused").profile == predictions.counts["profile"]

    counts = {name: value for name, value in predictions.counts.items() if name != "profile"}
    manifest = dataclasses.replace(predictions.manifest, counts=counts)
    (predictions.directory / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    result = batch_result(root, batch, "reused")
    assert (result.scored, result.profile) == (1, None)


def test_other_columns_pass_through_as_json(root: DataRoot, tmp_path: Path) -> None:
    make_champion(root)
    file = tmp_path / "news.jsonl"
    file.write_text('{"title":"火灾","z":"甲","a":[1,null,{"b":true}],"id":12}', encoding="utf-8")
    table = pq.read_table(score(root, file).directory, partitioning=None)
    assert table.column("extra").to_pylist() == ['{"a":[1,null,{"b":true}],"z":"甲"}']
    assert json.loads(table.column("extra")[0].as_py())["z"] == "甲"
    assert table.column("id").to_pylist() == ["12"]


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_every_runner_gives_the_same_bytes(tmp_path: Path, kind: str, workers: int) -> None:
    file = tmp_path / "news.csv"
    titles = [f"{TITLES[row % 6]}{'，' * (row % 7)}{row}" for row in range(130)]
    file.write_text("title\n" + "\n".join(titles), encoding="utf-8")

    def digests(name: str, settings: Settings) -> dict[str, str]:
        root = DataRoot.open(tmp_path / name, settings)
        make_champion(root)
        predictions = score(root, file, score_options(chunk_rows=40))
        assert [entry.rows for entry in predictions.manifest.files] == [40, 40, 40, 10]
        return {entry.path: entry.sha256 for entry in predictions.manifest.files}

    expected = digests("expected", Settings())
    assert digests("found", Settings(runner=kind, workers=workers)) == expected


def test_every_engine_of_the_same_words_gives_the_same_bytes(tmp_path: Path) -> None:
    file = tmp_path / "news.csv"
    titles = [*TITLES, "火灾text-indent天气1.5em", "㐀地获奖", "喜讯\x1c公告"]
    file.write_text("title\n" + "\n".join(titles), encoding="utf-8")
    found = []
    for engine in ("fast", "jieba"):
        root = DataRoot.open(tmp_path / engine)
        make_champion(root)
        predictions = score(root, file, score_options(engine=engine))
        assert predictions.manifest.config["segmenter"]["engine"] == engine
        found.append([(entry.path, entry.sha256) for entry in predictions.manifest.files])
    assert found[0] == found[1]


def test_a_champion_of_another_segmenter_stops_the_batch(
    root: DataRoot, tmp_path: Path, write_batch: Callable[[Path, list[str]], Path]
) -> None:
    make_champion(root)
    batch = Batch.of_file(root, write_batch(tmp_path / "news.csv", TITLES))
    preflight(root, [batch], OPTIONS)
    dictionary = tmp_path / "words.txt"
    dictionary.write_text("小学生获奖\n", encoding="utf-8")
    options = dataclasses.replace(OPTIONS, segmenter=Segmenter(dictionary=str(dictionary)))
    with pytest.raises(InputError, match="trained with a different segmenter"):
        preflight(root, [batch], options)


TWO = score_options(chunk_rows=2)


def in_chunks_of_two(root: DataRoot, tmp_path: Path) -> tuple[Batch, Artifact, Artifact]:
    """A batch of six headlines, the champion, and the batch prepared as three chunks."""
    model = make_champion(root)
    file = tmp_path / "news.csv"
    file.write_text("title\n" + "\n".join(TITLES), encoding="utf-8")
    batch = Batch.of_file(root, file)
    return batch, model, prepare_batch(root, batch, TWO)


def test_finished_chunks_are_not_scored_again(root: DataRoot, tmp_path: Path) -> None:
    batch, _, prepared = in_chunks_of_two(root, tmp_path)
    first, *others = make_jobs(root, batch, prepared)
    assert not score_chunks.score_chunk(first).reused

    assert score_chunks.score_chunk(first).reused
    assert not any(score_chunks.score_chunk(job).reused for job in others)
    assert prepare_batch(root, batch, TWO).reused


def test_chunks_are_reported_in_order_while_the_batch_is_read(
    root: DataRoot, tmp_path: Path
) -> None:
    batch, _, prepared = in_chunks_of_two(root, tmp_path)
    chunks = chunk_refs(prepared)
    assert [(chunk.number, chunk.rows, chunk.is_only) for chunk in chunks] == [
        (0, 2, False),
        (1, 2, False),
        (2, 2, False),
    ]
    root.store.remove(prepared.name)  # as after a kill while it was read
    reported: list[ChunkRef] = []
    again = prepare_batch(root, batch, TWO, reported.append)
    assert reported == chunks == chunk_refs(again)
    assert prepare_batch(root, batch, TWO, reported.append).reused
    assert reported == chunks * 2
    six = prepare_batch(root, batch, score_options(chunk_rows=6))
    assert [chunk.is_only for chunk in chunk_refs(six)] == [True]


@pytest.mark.parametrize("harm", ["lost", "altered"])
def test_a_damaged_chunk_is_refused_and_read_again(
    root: DataRoot, tmp_path: Path, harm: str
) -> None:
    batch, _, prepared = in_chunks_of_two(root, tmp_path)
    jobs = make_jobs(root, batch, prepared)
    directory = root.store.directory / jobs[1].chunk.path
    if harm == "lost":
        shutil.rmtree(directory)
    else:
        rows = directory / ROWS_FILE
        rows.write_bytes(rows.read_bytes()[:-1] + b"!")
    with pytest.raises(DamagedArtifact):
        score_chunks.score_chunk(jobs[1])
    again = prepare_batch(root, batch, TWO)
    assert not again.reused
    assert chunk_refs(again) == chunk_refs(prepared)
    assert score_chunks.score_chunk(jobs[1]).counts["scored"] == 2


@pytest.mark.parametrize(("long_titles", "scored"), [("reject", 2), ("cut", 3)])
def test_titles_that_are_too_long_are_rejected_or_cut(
    root: DataRoot, tmp_path: Path, long_titles: str, scored: int
) -> None:
    make_champion(root)
    file = tmp_path / "news.csv"
    titles = ["喜讯", "长" * (MAX_TITLE + 1), "长" * MAX_TITLE, " " * 600 + "喜讯"]
    file.write_text("title\n" + "\n".join(titles), encoding="utf-8")
    predictions = score(root, file, score_options(long_titles=long_titles))
    counts = predictions.counts
    assert (counts["scored"], counts["cut"]) == (scored, scored - 2)
    # A title whose beginning alone is kept must still say something.
    assert counts["reasons"] == (
        {"title is blank": 1}
        if long_titles == "cut"
        else {f"title is longer than {MAX_TITLE} characters": 2}
    )
    found = pq.read_table(predictions.directory / "part-00000.parquet", partitioning=None)
    assert max(map(len, found.column("title").to_pylist())) == MAX_TITLE


def test_columns_of_other_names(root: DataRoot, tmp_path: Path) -> None:
    file = tmp_path / "news.csv"
    file.write_text("nr,标题,title,id\n7,喜讯,旧,x\n", encoding="utf-8")
    options = score_options(title_column="标题", id_column="nr")
    prepared = prepare_batch(root, Batch.of_file(root, file), options)
    [rows] = read_chunk(root, *chunk_refs(prepared))
    assert rows.to_pylist() == [
        {"row": 0, "id": "7", "title": "喜讯", "extra": '{"id":"x","title":"旧"}'}
    ]


def test_predictions_of_too_few_chunks_are_not_published(root: DataRoot, tmp_path: Path) -> None:
    batch, model, prepared = in_chunks_of_two(root, tmp_path)
    scored = [score_chunks.score_chunk(job) for job in make_jobs(root, batch, prepared)]

    with pytest.raises(RuntimeError, match="the scored chunks are not those that were read"):
        commit(root, batch, prepared, model, scored[:-1])
    assert root.store.manifest(root.predictions_of("news.csv")) is None


def test_a_file_that_changes_while_it_is_read_is_refused(
    root: DataRoot, tmp_path: Path, write_batch: Callable[[Path, list[str]], Path]
) -> None:
    file = write_batch(tmp_path / "news.csv", TITLES)
    batch = Batch.of_file(root, file)
    with file.open("a", encoding="utf-8") as more:
        more.write("n-9,喜讯,搜狐\n")
    with pytest.raises(InputError, match="changed while it was read"):
        prepare_batch(root, batch, OPTIONS)


def test_the_reject_rate_decides(
    root: DataRoot, tmp_path: Path, write_batch: Callable[[Path, list[str]], Path]
) -> None:
    file = write_batch(tmp_path / "news.csv", ["", *["喜讯"] * 19])
    batch = Batch.of_file(root, file)
    check_rejects(batch, read_batch(root, batch, OPTIONS), score_options(max_reject_rate=0.05))
    with pytest.raises(InputError, match=r"1 of 20 rows \(5\.0%\)"):
        prepare_batch(root, batch, score_options(max_reject_rate=0.049))
    nothing = Batch.of_file(root, write_batch(tmp_path / "blank.csv", [""]))
    with pytest.raises(InputError, match="1 of 1 rows"):
        prepare_batch(root, nothing, score_options(max_reject_rate=1.0, max_rejects=10))


@pytest.mark.parametrize(("bad", "is_stopped"), [(1, False), (10, False), (11, True)])
def test_few_rejects_stop_no_batch_whatever_their_share(
    root: DataRoot,
    tmp_path: Path,
    write_batch: Callable[[Path, list[str]], Path],
    bad: int,
    is_stopped: bool,
) -> None:
    file = write_batch(tmp_path / "news.csv", [*[""] * bad, *TITLES[:3]])
    batch, options = Batch.of_file(root, file), ScoreOptions()
    if is_stopped:
        with pytest.raises(InputError, match=r"11 of 14 rows \(78\.6%\).*--max-rejects"):
            prepare_batch(root, batch, options)
    else:
        assert prepare_batch(root, batch, options).counts["rejected"] == bad


EMPTY = {
    "no bytes": b"",
    "a mark": "\ufeff".encode(),
    "line ends": b"\r\n\n",
    "spaces": b"  \n",
    "a header": b"id,title\n",
    "a header without a line end": b"title",
    "a header and line ends": b"title\n\n\r\n",
}


@pytest.mark.parametrize("content", EMPTY.values(), ids=EMPTY)
@pytest.mark.parametrize("name", ["news.csv", "news.tsv", "news.csv.gz", "news.jsonl"])
def test_a_batch_without_rows_is_empty(root: DataRoot, name: str, content: bytes) -> None:
    if name.endswith(".jsonl") and b"title" in content:
        content = b"\n"
    make_champion(root)
    file = root.store.directory / name
    content = content.replace(b",", b"\t") if ".tsv" in name else content
    file.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    batch = Batch.of_file(root, file)

    preflight(root, [batch], OPTIONS)
    for _ in range(2):  # the second time it is known
        result = run(root, batch)
        assert (result.outcome, result.rows_in, result.message) == ("empty", 0, "it has no rows")

    assert batch_state(root, batch) is BatchState.SCORED
    table = pq.read_table(result.predictions, partitioning=None)
    assert (table.schema, len(table)) == (PREDICTION_SCHEMA, 0)


def test_an_emptied_file_does_not_replace_its_predictions(root: DataRoot) -> None:
    make_champion(root)
    file = root.store.directory / "news.csv"
    file.write_text("title\n", encoding="utf-8")
    run(root, Batch.of_file(root, file))
    file.write_text("title\n喜讯\n火灾\n", encoding="utf-8")
    before = score(root, file)
    file.write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="no rows, but had 2 when it was scored"):
        run(root, Batch.of_file(root, file))
    assert root.store.find(before.name, before.manifest.key) is not None
    assert batch_state(root, Batch.of_file(root, file)) is BatchState.FAILED


def test_of_several_files_some_may_be_empty(root: DataRoot, tmp_path: Path) -> None:
    contents = {"a.csv": "title\n喜讯\n", "b.csv": "", "c.csv": "title\n", "d.csv": "title\n火灾\n"}
    folder = tmp_path / "news.csv"
    folder.mkdir()
    for name, content in contents.items():
        (folder / name).write_text(content, encoding="utf-8")
    prepared = prepare_batch(root, Batch.of_folder(root, folder), OPTIONS)
    [rows] = read_chunk(root, *chunk_refs(prepared))
    assert rows.to_pylist() == [
        {"row": 0, "id": None, "title": "喜讯", "extra": None},
        {"row": 1, "id": None, "title": "火灾", "extra": None},
    ]
    for name in ("a.csv", "d.csv"):
        (folder / name).write_text("title\n", encoding="utf-8")
    assert prepare_batch(root, Batch.of_folder(root, folder), OPTIONS).counts["rows_in"] == 0


def test_a_chunk_ends_where_its_text_is_long(root: DataRoot, tmp_path: Path) -> None:
    file = tmp_path / "news.jsonl"
    lines = [json.dumps({"title": f"喜讯{n}", "body": "字" * 400}) for n in range(10)]
    file.write_text("\n".join(lines), encoding="utf-8")
    batch = Batch.of_file(root, file)
    chunks = chunk_refs(prepare_batch(root, batch, score_options(chunk_chars=1_000)))
    assert [chunk.rows for chunk in chunks] == [3, 3, 3, 1]


@pytest.mark.parametrize(
    ("value", "identity"),
    [
        ("7", "7"),
        ("7.5", "7.5"),
        ('"a"', "a"),
        ("null", None),
        ("true", ""),
        ("[1]", ""),
        ("{}", ""),
    ],
)
def test_ids_are_text_or_numbers(
    root: DataRoot, tmp_path: Path, value: str, identity: str | None
) -> None:
    file = tmp_path / "news.jsonl"
    file.write_text(f'{{"title":"喜讯","id":{value}}}\n{{"title":"火灾"}}', encoding="utf-8")
    prepared = prepare_batch(root, Batch.of_file(root, file), OPTIONS)
    [rows] = read_chunk(root, *chunk_refs(prepared))
    if identity == "":
        assert prepared.counts["reasons"] == {"id is neither text nor a number": 1}
    else:
        assert rows.to_pylist()[0]["id"] == identity


def test_predictions_of_chunks_out_of_order_are_not_published(
    root: DataRoot, tmp_path: Path
) -> None:
    batch, model, prepared = in_chunks_of_two(root, tmp_path)
    first, second, third = map(score_chunks.score_chunk, make_jobs(root, batch, prepared))
    with pytest.raises(RuntimeError, match="not those that were read"):
        commit(root, batch, prepared, model, [second, first, third])
    assert root.store.manifest(root.predictions_of("news.csv")) is None


def test_rejects_of_other_bytes_make_a_batch_due_again(root: DataRoot, tmp_path: Path) -> None:
    """As after a kill between the publishing of the rejects and that of the predictions."""
    make_champion(root)
    file = tmp_path / "news.csv"
    file.write_text("title\n喜讯\n火灾\n \n" + "晴\n" * 30, encoding="utf-8")
    predictions = score(root, file)
    before = Batch.of_file(root, file)
    assert batch_state(root, before) is BatchState.SCORED
    shutil.rmtree(root.store.directory / root.rejects_of("news.csv"))
    assert batch_state(root, before) is BatchState.REVISED
    assert score(root, file).manifest == predictions.manifest
    assert batch_state(root, before) is BatchState.SCORED


def test_a_batch_read_with_other_options_is_not_reused(root: DataRoot, tmp_path: Path) -> None:
    make_champion(root)
    file = tmp_path / "news.csv"
    file.write_text("title,标题\n喜讯,火灾\n", encoding="utf-8")
    score(root, file)
    batch = Batch.of_file(root, file)
    assert run(root, batch).outcome == "reused"
    with pytest.raises(InputError, match="--rescore"):
        run(root, batch, score_options(title_column="标题"))


def test_a_batch_read_with_another_delimiter_is_not_reused(root: DataRoot, tmp_path: Path) -> None:
    make_champion(root)
    file = tmp_path / "news.csv"
    file.write_text("title;n\n喜讯;1\n", encoding="utf-8")
    options = score_options(delimiter=";")
    score(root, file, options)
    batch = Batch.of_file(root, file)
    assert run(root, batch, options).outcome == "reused"
    for other in ({}, {"delimiter": "|"}, {"delimiter": ";", "quoting": "none"}):
        with pytest.raises(InputError, match="already scored with different options"):
            run(root, batch, score_options(**other))
