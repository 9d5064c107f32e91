"""The command `headlines`: each verb runs the flow of the same name, or answers at once.

Prefect and TensorFlow are imported only by the verb that needs them.
"""

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from flows.display import (
    archive_lines,
    cache_lines,
    corpus_lines,
    doctor_lines,
    evaluation_lines,
    export_lines,
    lineage_lines,
    model_lines,
    models_lines,
    night_lines,
    prediction_line,
    score_lines,
    stream_line,
    tokens_lines,
)
from flows.surroundings import settle
from headlines.errors import BatchesStopped, InputError

if TYPE_CHECKING:
    from headlines.sources import Reading


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit status: 0 done, 1 failed, 2 wrong input."""
    options = _parser().parse_args(arguments)
    try:
        if options.data:
            os.environ["HEADLINES_DATA"] = options.data
            settle()
        options.verb(options)
    except InputError as error:
        _fail(str(error), 2)
    except BatchesStopped as stopped:
        of_a_night = "report" in stopped.result
        _show(options, stopped.result, night_lines if of_a_night else score_lines)
        _fail(str(stopped), 1 if of_a_night else 2)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        _fail("interrupted; the next run goes on from what is finished", 130)
    except Exception as error:
        # A flow has logged the traceback already; the last line should still say what happened.
        _fail(f"{type(error).__name__}: {error}", 1)


def _fail(message: str, status: int) -> NoReturn:
    line = " ".join(message.split())
    print(f"headlines: {line}", file=sys.stderr)
    sys.exit(status)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Leave with one line, as for every other wrong input."""
        _fail(f"{message}; see `{self.prog} --help`", 2)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="headlines",
        description="Labels Chinese news headlines as positive, neutral or negative.",
        epilog="Data lies below HEADLINES_DATA (default: data). Exit status: 0 done, 1 the run "
        "failed, 2 the input or the call is wrong.",
    )
    common = _Parser(add_help=False)
    for place, unless_given in ((parser, None), (common, argparse.SUPPRESS)):
        place.add_argument(
            "--data",
            metavar="DIR",
            default=unless_given,
            help="data root, instead of HEADLINES_DATA",
        )
        place.add_argument(
            "--json",
            action="store_true",
            default=unless_given,
            help="print the result as JSON",
        )
    verbs = parser.add_subparsers(metavar="VERB", required=True)

    def verb(name: str, run: Callable[[argparse.Namespace], None], help: str) -> Any:
        one = verbs.add_parser(name, parents=[common], help=help, description=help)
        one.set_defaults(verb=run)
        return one

    ingest = verb("ingest", _ingest, "ingest a labelled corpus to Parquet")
    ingest.add_argument(
        "source",
        nargs="?",
        default="inews",
        help="inews (default), or a file or folder of CSV, TSV, JSONL or Parquet",
    )
    ingest.add_argument("--name", help="of the corpus (default: the source's name)")
    _add_encoding(ingest)

    segment = verb("segment", _segment, "cut the headlines of a corpus into words, once")
    _add_corpus(segment)

    train = verb("train", _train, "train a model")
    train.add_argument("--preset", default="default", help="default (default) or notebook")
    _add_corpus(train)

    evaluate = verb("evaluate", _evaluate, "evaluate a model on dev and test")
    evaluate.add_argument("--model", default="champion", help="a version (default: champion)")
    _add_corpus(evaluate)

    score = verb("score", _score, "score files of headlines with the champion")
    score.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="with a column title; - alone: standard input to JSON lines on standard output",
    )
    score.add_argument(
        "--batch", metavar="NAME", help="name of the batch; several FILEs are one then"
    )
    score.add_argument("--rescore", action="store_true", help="also what another model scored")
    score.add_argument("--release", action="store_true", help="also what was stopped before")
    score.add_argument(
        "--csv", metavar="OUT.csv", help="also the predictions as CSV for spreadsheets, of one FILE"
    )
    score.add_argument(
        "--format",
        choices=("csv", "tsv", "jsonl", "parquet"),
        help="of standard input (default: jsonl)",
    )
    score.add_argument(
        "--rejects",
        metavar="OUT.jsonl",
        help="unusable rows of standard input (default: to standard error)",
    )
    _add_reading(score)

    nightly = verb("nightly", _nightly, "make what is missing, then score all due batches")
    nightly.add_argument("--preset", default="default", help="of a first champion")
    nightly.add_argument(
        "--settle",
        type=_duration,
        default=0,
        metavar="SECONDS",
        help="leave batches that changed less than that ago (default: 0)",
    )
    for option, end in (("--from", "first"), ("--to", "last")):
        nightly.add_argument(
            option,
            dest=f"{end}_day",
            type=_day,
            metavar="DAY",
            help=f"{end} day of the batches to score, as 2026-11-20 in their names",
        )
    _add_corpus(nightly)
    _add_reading(nightly)

    predict = verb("predict", _predict, "label headlines at once")
    predict.add_argument("titles", nargs="+", metavar="标题")
    predict.add_argument("--model", default="champion", help="a version (default: champion)")

    export = verb("export", _export, "write a model for serving elsewhere")
    export.add_argument("directory", metavar="DIRECTORY", help="is made; may be there if empty")
    export.add_argument("--format", required=True, choices=("onnx", "saved_model"))
    export.add_argument("--model", default="champion", help="a version (default: champion)")

    archive = verb("archive", _archive, "move old batches that were scored out of the inbox")
    archive.add_argument(
        "--older-than",
        type=_duration,
        default=30,
        metavar="DAYS",
        help="that did not change for so long (default: 30)",
    )
    archive.add_argument("--dry-run", action="store_true", help="only show what would be moved")

    verb("models", _models, "list the models")
    promote = verb("promote", _promote, "make a model the champion")
    promote.add_argument("version", metavar="VERSION")
    lineage = verb("lineage", _lineage, "show what an artifact was made from")
    lineage.add_argument("path", metavar="PATH", help="directory of an artifact")
    cache = verb("cache", _cache, "show what the token cache holds, or remove some of it")
    cache.add_argument("--prune", metavar="NAME", help="remove the words of one segmenter")
    verb("doctor", _doctor, "check the set-up and say what to mend")
    return parser


def _add_corpus(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--corpus", default="inews", metavar="NAME", help="default: inews")


def _add_encoding(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--encoding", default="utf-8", help="of text files (default: utf-8)")


def _add_reading(parser: argparse.ArgumentParser) -> None:
    _add_encoding(parser)
    parser.add_argument(
        "--title-column", default="title", metavar="NAME", help="of the headlines (default: title)"
    )
    parser.add_argument(
        "--id-column", default="id", metavar="NAME", help="of your own ids (default: id)"
    )
    parser.add_argument(
        "--long-titles",
        choices=("reject", "cut"),
        default="reject",
        help="what becomes of titles of more than 500 characters (default: reject)",
    )
    parser.add_argument(
        "--max-reject-rate",
        type=_share,
        default=0.05,
        metavar="SHARE",
        help="stop a batch with more unusable rows than this (default: 0.05)",
    )


def _reading(options: argparse.Namespace) -> "Reading":
    from headlines.sources import Reading

    return Reading(options.encoding, options.title_column, options.id_column, options.long_titles)


def _duration(text: str) -> float:
    value = _number(text)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError("a number that is not below 0 is wanted")
    return value


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no day such as 2026-11-20") from error


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None


def _share(text: str) -> float:
    value = _number(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError("a share is between 0 and 1")
    return value


def _show(options: argparse.Namespace, result: Any, lines: Callable[[Any], Sequence[str]]) -> None:
    if options.json:
        print(json.dumps(result, ensure_ascii=False, indent=2))
    else:
        print("\n".join(lines(result)))


# --- verbs that run a flow -----------------------------------------------------------------


def _writable_root() -> None:
    """Find out about a wrong data root before Prefect is started on it."""
    from headlines.catalog import Catalog

    Catalog.from_environment().require_writable()


def _ingest(options: argparse.Namespace) -> None:
    from headlines.catalog import checked_name
    from headlines.corpus import require_own_name
    from headlines.corpus_files import CorpusFiles

    name = options.name or Path(options.source).stem
    checked_name(name, "corpus name")
    require_own_name(name, options.source)
    CorpusFiles.named(options.source, options.encoding).preflight()
    _writable_root()
    from flows.ingest import ingest

    _show(options, ingest(options.source, name, options.encoding), corpus_lines)


def _segment(options: argparse.Namespace) -> None:
    _preflight(options.corpus)
    from flows.segment import segment

    _show(options, segment(options.corpus), tokens_lines)


def _train(options: argparse.Namespace) -> None:
    from headlines.training import preset_named

    preset_named(options.preset)
    _preflight(options.corpus)
    from flows.train import train

    _show(options, train(options.preset, options.corpus), model_lines)


def _evaluate(options: argparse.Namespace) -> None:
    from headlines import registry
    from headlines.catalog import Catalog

    catalog = Catalog.from_environment()
    registry.named(catalog, options.model)
    _preflight(options.corpus)
    from flows.evaluate import evaluate

    _show(options, evaluate(options.model, options.corpus), evaluation_lines)


def _score(options: argparse.Namespace) -> None:
    from headlines.batches import named_batches
    from headlines.catalog import Catalog
    from headlines.scoring import preflight
    from headlines.whole_files import require_target

    if "-" in options.files:
        _score_stream(options)
        return
    _refuse(options, "format", "rejects", reason="it goes with standard input")
    reading = _reading(options)
    catalog = Catalog.from_environment()
    batches = named_batches(catalog, [Path(file) for file in options.files], options.batch)
    if options.csv is not None:
        if len(batches) > 1:
            raise InputError("it is of one batch, and there are more", "--csv", "name one FILE")
        require_target(catalog, Path(options.csv), "--csv")
        if Path(options.csv).resolve() in (file.resolve() for file in batches[0].files):
            raise InputError("it would replace the headlines", "--csv", "name another file")
    for batch in batches:
        preflight(catalog, batch, reading)
    _writable_root()
    from flows.score import score

    result = score(
        options.files,
        options.batch,
        max_reject_rate=options.max_reject_rate,
        rescore=options.rescore,
        release=options.release,
        **asdict(reading),
    )
    if options.csv is not None:
        from headlines.spreadsheets import write_predictions_csv

        [scored] = result["batches"]
        write_predictions_csv(Path(options.csv), Path(scored["predictions"]), scored["batch"])
        result["csv"] = str(Path(options.csv).absolute())
    _show(options, result, score_lines)


def _score_stream(options: argparse.Namespace) -> None:
    """Score standard input at once, without Prefect."""
    from headlines.catalog import Catalog
    from headlines.pipe import score_stream
    from headlines.whole_files import require_target

    if options.files != ["-"]:
        raise InputError("it stands alone", "-", "score files in a call of their own")
    _refuse(options, "batch", "rescore", "release", "csv", reason="standard input is no batch")
    if sys.stdin is None:
        raise InputError("it is closed", "standard input", "give it headlines")
    catalog = Catalog.from_environment()
    if options.rejects is not None:
        require_target(catalog, Path(options.rejects), "--rejects")
    counts = score_stream(
        catalog,
        sys.stdin.buffer,
        sys.stdout.buffer,
        sys.stderr.buffer if options.rejects is None else Path(options.rejects),
        options.format or "jsonl",
        _reading(options),
        options.max_reject_rate,
    )
    print(stream_line(counts), file=sys.stderr)


def _refuse(options: argparse.Namespace, *names: str, reason: str) -> None:
    for name in names:
        if getattr(options, name):
            raise InputError(reason, f"--{name}", "leave it away")


def _nightly(options: argparse.Namespace) -> None:
    from headlines.days import Days
    from headlines.training import preset_named

    reading = _reading(options)
    Days(options.first_day, options.last_day)  # refused at once if they are none
    preset_named(options.preset)
    _preflight(options.corpus)
    from flows.nightly import nightly

    result = nightly(
        options.corpus,
        options.preset,
        max_reject_rate=options.max_reject_rate,
        settle_seconds=options.settle,
        first_day=options.first_day,
        last_day=options.last_day,
        **asdict(reading),
    )
    _show(options, result, night_lines)


def _preflight(corpus: str) -> None:
    """Refuse at once what the flow would refuse seconds later."""
    from headlines.catalog import Catalog
    from headlines.corpus import require
    from headlines.segmentation import Segmenter

    _writable_root()
    Segmenter.from_environment()
    require(Catalog.from_environment(), corpus)


# --- verbs that answer at once -------------------------------------------------------------


def _predict(options: argparse.Namespace) -> None:
    from headlines.labels import LABELS
    from headlines.prediction import classify

    predictions = [
        {
            "title": title,
            "label": int(label),
            "label_name": LABELS[label],
            "probability": float(row[label]),
            **{f"p_{name}": float(value) for name, value in zip(LABELS, row, strict=True)},
        }
        for title, row, label in zip(
            options.titles, *classify(options.titles, options.model), strict=True
        )
    ]
    _show(options, predictions, lambda rows: [prediction_line(row) for row in rows])


def _export(options: argparse.Namespace) -> None:
    from headlines.catalog import Catalog
    from headlines.export import export

    directory = Path(options.directory)
    result = export(options.model, options.format, directory, Catalog.from_environment())
    _show(options, result, export_lines)


def _archive(options: argparse.Namespace) -> None:
    from headlines.archive import archive
    from headlines.catalog import Catalog

    _writable_root()
    archived = archive(Catalog.from_environment(), options.older_than, options.dry_run)
    _show(options, asdict(archived), archive_lines)


def _cache(options: argparse.Namespace) -> None:
    from headlines import token_cache
    from headlines.catalog import Catalog

    catalog = Catalog.from_environment()
    if options.prune is not None:
        token_cache.prune(catalog, options.prune)
    rows = [{**asdict(one), "days": one.days} for one in token_cache.kept(catalog)]
    _show(options, rows, cache_lines)


def _models(options: argparse.Namespace) -> None:
    from headlines import registry
    from headlines.catalog import Catalog

    catalog = Catalog.from_environment()
    history = registry.champion_history(catalog)
    rows = [
        {
            "version": version,
            "champion": bool(history) and history[-1].version == version,
            "preset": manifest.config["preset"]["name"],
            "dev": manifest.counts["dev"],
            "created_at": manifest.created_at,
        }
        for version, manifest in registry.manifests(catalog).items()
    ]
    _show(options, rows, models_lines)


def _promote(options: argparse.Namespace) -> None:
    from headlines import registry
    from headlines.catalog import Catalog

    registry.promote(Catalog.from_environment(), options.version, "promoted by hand")
    result = {"champion": options.version}
    _show(options, result, lambda _: [f"{options.version} is the champion"])


def _lineage(options: argparse.Namespace) -> None:
    from dataclasses import asdict

    from headlines.catalog import Catalog
    from headlines.lineage import lineage

    links = [asdict(link) for link in lineage(Catalog.from_environment(), Path(options.path))]
    _show(options, links, lineage_lines)
    broken = [link for link in links if link["problem"]]
    if broken:
        _fail(f"{broken[0]['path']}: {broken[0]['problem']}", 1)


def _doctor(options: argparse.Namespace) -> None:
    from dataclasses import asdict

    from headlines.doctor import examine

    checks = [asdict(check) for check in examine()]
    _show(options, checks, doctor_lines)
    if not all(check["good"] for check in checks):
        sys.exit(1)
