"""The command `headlines`: each verb runs the flow of the same name, or answers at once.

Prefect and TensorFlow are imported only by the verbs that need them.
"""

import io
import json
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.cli import output
from flows.cli.arguments import (
    CORPUS,
    DELIMITER,
    ENCODING,
    FAIL_ON_EMPTY,
    FIRST_DAY,
    LAST_DAY,
    MODEL,
    QUOTING,
    READ_OPTIONS,
    REJECT_LIMIT,
    argument,
    build_parser,
    count,
    duration,
    fail,
    flag,
    number,
    share,
    verb,
)
from flows.environment import configure
from flows.local_run import INTERRUPTED, INTERRUPTED_MESSAGE, run_flow
from flows.logs import errors_printed_at_end
from headlines.errors import InputError, RunNeedsAttention
from headlines.settings import Settings
from headlines.storage.data_root import DataRoot
from headlines.storage.layout import validate_name
from operations.instance import PrefectInstance
from operations.server_errors import ServerFailed

if TYPE_CHECKING:
    from headlines.scoring.options import ScoreOptions

_FORMATS = ("csv", "tsv", "jsonl", "parquet")  # of standard input


@dataclass(frozen=True)
class Call:
    """One call of the command: its settings, read when first needed, and how it prints.

    Attributes:
        data: the option `--data`.
        json: whether results are printed as JSON.
    """

    data: str | None
    json: bool

    @cached_property
    def settings(self) -> Settings:
        """The settings of this call."""
        return Settings.from_environment()

    @cached_property
    def root(self) -> DataRoot:
        """The data root."""
        return DataRoot.from_settings(self.settings)

    def check_corpus(self, corpus: str) -> None:
        """Refuse at once what a flow on a corpus would refuse seconds later."""
        from headlines.corpus.dataset import check_exists
        from headlines.segmentation import Segmenter

        self.root.store.require_writable()
        Segmenter.from_settings(self.settings)
        check_exists(self.root, corpus)

    def score_options(
        self, max_reject_rate: float, max_rejects: int, read: dict[str, Any]
    ) -> "ScoreOptions":
        """How batches are scored; `read` has the fields of `ReadOptions`."""
        from headlines.readers import ReadOptions
        from headlines.scoring.options import ScoreOptions
        from headlines.segmentation import Segmenter

        segmenter = Segmenter.from_settings(self.settings)
        return ScoreOptions(ReadOptions(**read), max_reject_rate, max_rejects, segmenter)

    def show(self, result: Any, lines: Callable[[Any], Sequence[str]]) -> None:
        """Print a result, for people as the lines that a function makes of it."""
        if self.json:
            encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
            as_ascii = encoding.lower() != "utf-8"  # JSON has escapes that lose nothing
            print(json.dumps(result, ensure_ascii=as_ascii, indent=2))
        else:
            print("\n".join(lines(result)))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit status: 0 done, 1 failed, 2 wrong input."""
    _replace_unknown_characters()
    options = vars(build_parser().parse_args(arguments))
    run, call = options.pop("verb"), Call(options.pop("data"), options.pop("json"))
    language = options.pop("lang")
    # By the environment, as flows read their settings themselves, here and on a server's worker.
    if call.data:
        os.environ["HEADLINES_DATA"] = call.data
    if options.pop("json_logs"):
        os.environ["HEADLINES_LOGS"] = "json"
    if language:
        os.environ["HEADLINES_LANG"] = language
    try:
        configure()
        with errors_printed_at_end():
            run(call, **options)
    except InputError as error:
        fail(str(error), 2)
    except ServerFailed as failure:
        fail(str(failure), 1)
    except RunNeedsAttention as failure:
        is_night = "report" in failure.result
        lines = output.night_lines if is_night else output.score_lines
        call.show(failure.result, partial(lines, call.root))
        fail(str(failure), 1 if is_night else 2)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        fail(INTERRUPTED_MESSAGE, INTERRUPTED)
    except Exception as error:
        # A flow has logged the traceback already; the last line should still say what happened.
        fail(f"{type(error).__name__}: {error}", 1)


def _replace_unknown_characters() -> None:
    """Have a locale that lacks a character show `?` in its place: the job is done by then."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _decoded(text: str) -> str:
    """A text of the command line; its bytes are UTF-8 where the locale lacks the characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return os.fsencode(text).decode(errors="surrogateescape")
    return text


def _reject_options(reason: str, **options: Any) -> None:
    for name, value in options.items():
        if value:
            option = f"--{name.replace('_', '-')}"
            raise InputError(reason, option, f"remove {option}")


# --- verbs that run a flow -----------------------------------------------------------------


@verb(
    argument("source", "inews, or CSV, TSV, JSONL or Parquet", nargs="?", default="inews"),
    argument("--name NAME", "of the corpus (default: the source's name)"),
    ENCODING,
    DELIMITER,
    QUOTING,
    *REJECT_LIMIT,
)
def ingest(
    call: Call,
    source: str,
    name: str | None,
    max_reject_rate: float,
    max_rejects: int,
    **read_options: Any,
) -> None:
    """Ingest a labelled corpus to Parquet."""
    from headlines.corpus.ingest import check_reserved_name
    from headlines.corpus.source_files import CorpusFiles
    from headlines.readers import ReadOptions

    name = name or Path(source).stem
    validate_name(name, "corpus name")
    check_reserved_name(name, source)
    options = ReadOptions(**read_options)
    CorpusFiles.resolve(source, options).preflight(call.root.store.work)
    call.root.store.require_writable()
    corpus = run_flow(
        "ingest",
        source,
        name,
        max_reject_rate=max_reject_rate,
        max_rejects=max_rejects,
        **read_options,
    )
    call.show(corpus, output.corpus_lines)


@verb(CORPUS)
def segment(call: Call, corpus: str) -> None:
    """Segment the headlines of a corpus into words, once."""
    call.check_corpus(corpus)
    call.show(run_flow("segment", corpus), output.tokens_lines)


@verb(argument("--preset NAME", "of the models that start from it", default="default"), CORPUS)
def pretrain(call: Call, preset: str, corpus: str) -> None:
    """Learn word vectors from a corpus without its labels."""
    from headlines.models.presets import resolve_preset

    if not resolve_preset(preset, call.root.file).pretrained:
        raise InputError(
            f"the preset {preset!r} does not use pretrained vectors",
            "--preset",
            f"train with it directly: `headlines train --preset {preset}`",
        )
    call.check_corpus(corpus)
    call.show(run_flow("pretrain", preset, corpus), output.pretrained_lines)


@verb(
    argument(
        "--preset NAME", "default (default), best, fast, notebook, title-and-content or a FILE.json"
    ),
    argument("--sweep SPACE.toml", "instead, try the settings of a file and rank them"),
    flag("--no-promote", "keep the champion, unless this is the first model"),
    CORPUS,
)
def train(call: Call, preset: str | None, sweep: str | None, no_promote: bool, corpus: str) -> None:
    """Train a model."""
    from headlines.models.presets import resolve_preset

    if sweep is not None:
        _reject_options("the file of --sweep names the preset", preset=preset)
        _reject_options("a sweep promotes nothing", no_promote=no_promote)
        _sweep(call, sweep, corpus)
        return
    preset = "default" if preset is None else preset
    resolve_preset(preset, call.root.file)
    call.check_corpus(corpus)
    call.show(run_flow("train", preset, corpus, promote=not no_promote), output.train_lines)


def _sweep(call: Call, space: str, corpus: str) -> None:
    from headlines.training.search_space_file import read_space

    read_space(space, call.root.file)
    call.check_corpus(corpus)
    result = run_flow("sweep", space, corpus)
    if result["best"] and call.data:
        result["train"] += " " + shlex.join(["--data", call.data])
    call.show(result, output.sweep_lines)
    if result["best"] is None:
        fail("no trial could be trained; the table shows why", 1)


@verb(
    MODEL,
    CORPUS,
    argument("--folds N", "instead, train a preset without each of N parts of train", type=int),
    argument("--preset NAME", "with --folds (default: default)"),
)
def evaluate(call: Call, model: str, corpus: str, folds: int | None, preset: str | None) -> None:
    """Evaluate a model on dev and test."""
    from headlines.models import champion

    if folds is not None:
        _evaluate_folds(call, folds, preset or "default", corpus)
        return
    _reject_options("a model has its own preset; only --folds trains", preset=preset)
    champion.resolve(call.root, model)
    call.check_corpus(corpus)
    call.show(run_flow("evaluate", model, corpus), output.evaluation_lines)


def _evaluate_folds(call: Call, folds: int, preset: str, corpus: str) -> None:
    from headlines.models.presets import resolve_preset
    from headlines.training.folds import MAX_FOLDS, MIN_FOLDS

    if not MIN_FOLDS <= folds <= MAX_FOLDS:
        raise InputError(
            f"{folds} is not from {MIN_FOLDS} to {MAX_FOLDS}", "--folds", "use 4, for example"
        )
    resolve_preset(preset, call.root.file)
    call.check_corpus(corpus)
    call.show(run_flow("folds", preset, corpus, folds=folds), output.fold_lines)


@verb(
    argument("files FILE", "with a column title; - alone: standard input", nargs="+"),
    argument("--batch NAME", "name of the batch; makes several FILEs one batch"),
    flag("--rescore", "also batches that another model scored"),
    flag("--release", "also batches that failed before"),
    argument("--csv OUT.csv", "also write the predictions of one FILE as CSV"),
    argument("--format", "of standard input (default: jsonl)", choices=_FORMATS),
    argument("--rejects OUT.jsonl", "unusable rows of standard input (default: standard error)"),
    *READ_OPTIONS,
    *REJECT_LIMIT,
    FAIL_ON_EMPTY,
)
def score(
    call: Call,
    files: list[str],
    batch: str | None,
    rescore: bool,
    release: bool,
    csv: str | None,
    format: str | None,
    rejects: str | None,
    max_reject_rate: float,
    max_rejects: int,
    fail_on_empty: bool,
    **read_options: Any,
) -> None:
    """Score files of headlines with the champion."""
    if "-" in files:
        if files != ["-"]:
            raise InputError(
                "cannot be combined with other files", "-", "score them in a separate call"
            )
        _reject_options(
            "standard input is not a batch", batch=batch, rescore=rescore, release=release, csv=csv
        )
        _reject_options("standard input gives JSON lines in any case", json=call.json)
        options = call.score_options(max_reject_rate, max_rejects, read_options)
        counts = _score_stream(call, format or "jsonl", rejects, options)
        if fail_on_empty and not counts["rows_in"]:
            raise InputError("there are no rows", "standard input", "pipe headlines into it")
        return
    _reject_options("only for standard input (FILE -)", format=format, rejects=rejects)
    from headlines.scoring.batch import resolve_batches
    from headlines.scoring.run_batch import preflight

    root = call.root
    paths = [root.store.fetch(root.resolve(file)) for file in files]
    batches = resolve_batches(root, paths, batch)
    if csv is not None:
        if len(batches) > 1:
            raise InputError("only one batch can be written", "--csv", "name one FILE")
        root.check_output_path(Path(csv), "--csv")
        if Path(csv).resolve() in (file.resolve() for file in batches[0].files):
            raise InputError("it would overwrite the headlines", "--csv", "name another file")
    options = call.score_options(max_reject_rate, max_rejects, read_options)
    preflight(root, batches, options)
    root.store.require_writable()
    result = run_flow(
        "score",
        files,
        batch,
        max_reject_rate=max_reject_rate,
        max_rejects=max_rejects,
        fail_on_empty=fail_on_empty,
        rescore=rescore,
        release=release,
        **read_options,
    )
    if csv is not None:
        from headlines.scoring.predictions_csv import write_predictions_csv

        [scored] = result["batches"]
        write_predictions_csv(root, Path(csv), scored["batch"])
        result["csv"] = str(Path(csv).absolute())
    call.show(result, partial(output.score_lines, root))


def _score_stream(
    call: Call, format: str, rejects: str | None, options: "ScoreOptions"
) -> dict[str, int]:
    """Score standard input at once, without Prefect; return the numbers of rows."""
    from headlines.scoring.stream import score_stream

    if sys.stdin is None:
        raise InputError("it is closed", "standard input", "redirect headlines to it")
    if rejects is not None:
        call.root.check_output_path(Path(rejects), "--rejects")
    counts = score_stream(
        call.root,
        sys.stdin.buffer,
        sys.stdout.buffer,
        sys.stderr.buffer if rejects is None else Path(rejects),
        format,
        options,
    )
    print(*output.stream_lines(counts), sep="\n", file=sys.stderr)
    return counts


@verb(
    argument("--preset NAME", "of a first champion", default="default"),
    argument(
        "--settle SECONDS", "leave batches changed within this time", type=duration, default=0
    ),
    FIRST_DAY,
    LAST_DAY,
    argument("--drift-warn PSI", "warn from this drift on", type=number, default=0.1),
    argument("--drift-stop PSI", "fail, with all published, from this drift on", type=number),
    CORPUS,
    *READ_OPTIONS,
    *REJECT_LIMIT,
    FAIL_ON_EMPTY,
)
def nightly(
    call: Call,
    preset: str,
    settle: float,
    first_day: date | None,
    last_day: date | None,
    drift_warn: float,
    drift_stop: float | None,
    corpus: str,
    **read_options: Any,
) -> None:
    """Build what is missing, then score all due batches."""
    from headlines.metrics.drift import DriftThresholds
    from headlines.models.presets import resolve_preset
    from headlines.storage.day_range import DayRange

    DayRange(first_day, last_day)  # they refuse wrong values at once
    DriftThresholds(drift_warn, drift_stop)
    resolve_preset(preset, call.root.file)
    call.check_corpus(corpus)
    result = run_flow(
        "nightly",
        corpus,
        preset,
        settle_seconds=settle,
        first_day=first_day,
        last_day=last_day,
        drift_warn=drift_warn,
        drift_stop=drift_stop,
        **read_options,
    )
    call.show(result, partial(output.night_lines, call.root))


# --- verbs that answer at once -------------------------------------------------------------


@verb(
    argument("titles 标题", "headlines", nargs="+"),
    argument("--content TEXT", "the article of a single headline"),
    MODEL,
)
def predict(call: Call, titles: list[str], content: str | None, model: str) -> None:
    """Label headlines at once."""
    from headlines.labels import LABELS
    from headlines.scoring.predict import classify

    if content is not None and len(titles) > 1:
        raise InputError(
            "one article belongs to one headline",
            "--content",
            "give one headline, or score a file with a column content",
        )
    titles = [_decoded(title) for title in titles]
    labelled = classify(titles, model, None if content is None else [_decoded(content)])
    predictions = [
        {
            "title": title,
            "label": int(label),
            "label_name": LABELS[label],
            "probability": float(row[label]),
            **{f"p_{name}": float(value) for name, value in zip(LABELS, row, strict=True)},
        }
        for title, row, label in zip(titles, *labelled, strict=True)
    ]
    call.show(predictions, lambda rows: [output.prediction_line(row) for row in rows])


@verb(
    argument("directory DIRECTORY", "is created; may exist if empty"),
    argument("--format", "to write", required=True, choices=("onnx", "saved_model")),
    MODEL,
)
def export(call: Call, directory: str, format: str, model: str) -> None:
    """Write a model for serving elsewhere."""
    from headlines.models.export import export

    call.show(export(model, format, Path(directory), call.root), output.export_lines)


@verb(
    argument("--older-than DAYS", "not changed for so long", type=duration, default=30),
    flag("--dry-run", "only show what would be moved"),
)
def archive(call: Call, older_than: float, dry_run: bool) -> None:
    """Move old batches that were scored out of the inbox."""
    from headlines.nightly.archive import archive

    call.root.store.require_writable()
    call.show(asdict(archive(call.root, older_than, dry_run)), output.archive_lines)


@verb()
def models(call: Call) -> None:
    """List the models."""
    from headlines.evaluation.leaderboard import list_models
    from headlines.models import champion, registry

    call.show([asdict(model) for model in list_models(call.root)], output.models_lines)
    if not registry.is_empty(call.root):
        champion.open_champion(call.root)  # what is wrong with it is reported below the list


@verb(
    argument("version VERSION", "a model", nargs="?"),
    flag("--force", "whatever its figures are"),
    flag("--rollback", "back to the champion before this one"),
    CORPUS,
)
def promote(call: Call, version: str | None, force: bool, rollback: bool, corpus: str) -> None:
    """Make a model the champion if it is better."""
    if (version is None) is not rollback:
        raise InputError("needs either a VERSION or --rollback", "promote", "give one of them")
    if rollback:
        _reject_options("only with a VERSION", force=force)
    from headlines.evaluation.promotion import promote_by_force, promote_by_rule
    from headlines.models import champion
    from headlines.nightly.overview import write_overview

    if version is None:
        step = champion.rollback(call.root)
        write_overview(call.root)
        call.show(asdict(step), lambda step: [f"{step['version']} is the champion again"])
        return
    if force:
        decision = promote_by_force(call.root, version)
    else:
        decision = promote_by_rule(call.root, version, corpus)
    write_overview(call.root)
    call.show(decision.to_dict(), output.promotion_lines)
    if not decision.promoted:
        raise InputError(
            f"not promoted: {'; '.join(decision.reasons)}",
            version,
            f"the champion is still {decision.champion}; --force promotes it anyway",
        )


@verb(
    argument("batches BATCH", "names of batches to choose from (default: all)", nargs="*"),
    FIRST_DAY,
    LAST_DAY,
    argument("--n N", "headlines to ask about", type=count, default=100),
    argument("--lot SHARE", "of them that is drawn by lot", type=share, default=0.5),
    argument("--name NAME", "of the review (default: of today)"),
    argument("--seed NUMBER", "decides the draw", type=count, default=0),
    flag("--again", "also headlines that were reviewed before"),
)
def review(
    call: Call,
    batches: list[str],
    first_day: date | None,
    last_day: date | None,
    n: int,
    lot: float,
    name: str | None,
    seed: int,
    again: bool,
) -> None:
    """Choose predictions for people to check, and write a sheet to fill in."""
    from headlines.nightly.overview import write_overview
    from headlines.review.ask import ask
    from headlines.review.selection import ReviewSize
    from headlines.scoring.second_opinion import second_opinion
    from headlines.storage.day_range import DayRange

    days, size = DayRange(first_day, last_day), ReviewSize(n, lot, seed, again)
    call.root.store.require_writable()
    asked = ask(call.root, name, batches, days, size, partial(second_opinion, call.root))
    write_overview(call.root)
    sheet = call.root.location(call.root.review_sheet(asked.version))
    result = {"review": asked.version, "sheet": sheet, "artifact": asked.location, **asked.counts}
    call.show(result, output.review_lines)


@verb(
    argument("files FILE", "filled sheets of one review, one for each person", nargs="+"),
    ENCODING,
    DELIMITER,
    QUOTING,
)
def label(call: Call, files: list[str], **read_options: Any) -> None:
    """Take the filled sheets of a review back."""
    from headlines.nightly.overview import write_overview
    from headlines.readers import ReadOptions
    from headlines.review.take_labels import DISPUTED_FILE, take_labels

    root = call.root
    paths = [root.store.fetch(root.resolve(file)) for file in files]
    root.store.require_writable()
    labels = take_labels(root, paths, ReadOptions(**read_options))
    write_overview(root)
    disputed = [str(path) for path in labels.files(DISPUTED_FILE)]
    result = {"artifact": labels.location, **labels.counts, "disagreements": disputed}
    call.show(result, output.label_lines)
    given = {path.stem: labels.counts["people"][path.stem] for path in paths}
    if rejected := sum(len(counts["rejected"]) for counts in given.values()):
        raise InputError(
            f"{rejected} of {sum(counts['rows_in'] for counts in given.values())} rows were not "
            "accepted, for the reasons above; all others were",
            ", ".join(files),
            "correct these rows and run it again",
        )


@verb(argument("path PATH", "directory of an artifact"))
def lineage(call: Call, path: str) -> None:
    """Show what an artifact was made from."""
    from headlines.storage.lineage import lineage

    links = [asdict(link) for link in lineage(call.root, call.root.resolve(path))]
    call.show(links, output.lineage_lines)
    for link in links:
        if link["problem"]:
            fail(f"{link['path']}: {link['problem']}", 1)


@verb(argument("--prune NAME", "remove the tokens of one segmenter"))
def cache(call: Call, prune: str | None) -> None:
    """Show what the token cache holds, or remove some of it."""
    from headlines.corpus import token_cache

    if prune is not None:
        token_cache.prune(call.root, prune)
    stats = token_cache.cache_stats(call.root)
    call.show([{**asdict(row), "days": row.days} for row in stats], output.cache_lines)


@verb()
def doctor(call: Call) -> None:
    """Check the setup and say how to fix it."""
    from flows.own_packages import OWN_PACKAGES
    from operations import service
    from operations.doctor import check_setup

    server_checks = service.status(PrefectInstance.from_settings(call.settings))
    checks = [asdict(check) for check in (*check_setup(OWN_PACKAGES), *server_checks)]
    call.show(checks, output.doctor_lines)
    if not all(check["good"] for check in checks):
        sys.exit(1)


@verb()
def up(call: Call) -> None:
    """Start the persistent server and its worker, and deploy prefect.yaml."""
    from operations import service

    try:
        call.show(service.up(PrefectInstance.from_settings(call.settings)), list)
    except KeyboardInterrupt:
        hint = "run it again to go on, or `headlines down` to stop what it has started"
        fail(f"interrupted; {hint}", INTERRUPTED)


@verb()
def down(call: Call) -> None:
    """Stop the server and the worker that `up` has started."""
    from operations import service

    call.show(service.down(PrefectInstance.from_settings(call.settings)), list)


@verb()
def status(call: Call) -> None:
    """Show server, schedule, worker, the last night and the accuracy on reviewed headlines."""
    from headlines.nightly.review_status import review_status
    from operations import service
    from operations.checks import run_checks

    server = service.status(PrefectInstance.from_settings(call.settings))
    reviewed = run_checks({"reviewed": lambda: review_status(call.root)})
    checks = [asdict(check) for check in (*server, *reviewed)]
    call.show(checks, output.doctor_lines)
    if len(server) == 1 or not all(check["good"] for check in checks):
        sys.exit(1)


@verb(
    argument("block TYPE/NAME", "a saved notification block", nargs="?"),
    flag("--off", "send none"),
)
def alerts(call: Call, block: str | None, off: bool) -> None:
    """Show or choose the notification block that alerts are sent by."""
    from operations import service

    if block:
        _reject_options("cannot be combined with TYPE/NAME", off=off)
    chosen = service.alerts(PrefectInstance.from_settings(call.settings), block, off=off)
    call.show({"alerts": chosen}, lambda _: [f"alerts: {chosen or 'off'}"])
