"""What can be said to the command `headlines`: its verbs and their options."""

import argparse
import math
import sys
from collections.abc import Callable, Mapping
from datetime import date
from typing import NoReturn

Verb = Callable[[argparse.Namespace], None]


def fail(message: str, status: int) -> NoReturn:
    """Leave with one line on standard error and an exit status."""
    line = " ".join(message.split())
    print(f"headlines: {line}", file=sys.stderr)
    sys.exit(status)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Leave with one line, as for every other wrong input."""
        fail(f"{message}; see `{self.prog} --help`", 2)


def build_parser(verbs: Mapping[str, Verb]) -> argparse.ArgumentParser:
    """The parser of the whole command line; `verb` of what it gives is what a verb runs.

    Args:
        verbs: what each verb runs.
    """
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
        place.add_argument(
            "--json-logs",
            action="store_true",
            default=unless_given,
            help="log to standard error as JSON, a line an event",
        )
    added = parser.add_subparsers(metavar="VERB", required=True)

    def verb(name: str, help: str) -> argparse.ArgumentParser:
        one = added.add_parser(name, parents=[common], help=help, description=help)
        one.set_defaults(verb=verbs[name])
        return one

    ingest = verb("ingest", "ingest a labelled corpus to Parquet")
    ingest.add_argument(
        "source",
        nargs="?",
        default="inews",
        help="inews (default), or a file or folder of CSV, TSV, JSONL or Parquet",
    )
    ingest.add_argument("--name", help="of the corpus (default: the source's name)")
    _add_encoding(ingest)

    segment = verb("segment", "cut the headlines of a corpus into words, once")
    _add_corpus(segment)

    pretrain = verb("pretrain", "learn from a corpus without its labels, for models to start from")
    pretrain.add_argument("--preset", default="default", help="that is to start from it")
    _add_corpus(pretrain)

    train = verb("train", "train a model")
    train.add_argument(
        "--preset",
        help="default (default), fast, notebook or title-and-content, or a FILE.json",
    )
    train.add_argument(
        "--sweep",
        metavar="SPACE.toml",
        help="instead, try the settings that a file names, and rank them by their figures on dev",
    )
    train.add_argument(
        "--no-promote",
        action="store_true",
        help="leave the champion, even if the model is better (a first model becomes it all the "
        "same)",
    )
    _add_corpus(train)

    evaluate = verb("evaluate", "evaluate a model on dev and test")
    evaluate.add_argument("--model", default="champion", help="a version (default: champion)")
    _add_corpus(evaluate)

    score = verb("score", "score files of headlines with the champion")
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

    nightly = verb("nightly", "make what is missing, then score all due batches")
    nightly.add_argument("--preset", default="fast", help="of a first champion (default: fast)")
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
    nightly.add_argument(
        "--drift-warn",
        type=_number,
        default=0.1,
        metavar="PSI",
        help="warn where headlines are as unlike those of dev as that (default: 0.1)",
    )
    nightly.add_argument(
        "--drift-stop",
        type=_number,
        metavar="PSI",
        help="fail, with the predictions published, from there on (default: never)",
    )
    _add_corpus(nightly)
    _add_reading(nightly)

    predict = verb("predict", "label headlines at once")
    predict.add_argument("titles", nargs="+", metavar="标题")
    predict.add_argument(
        "--content",
        metavar="TEXT",
        help="the article below the one headline, for a model that reads it",
    )
    predict.add_argument("--model", default="champion", help="a version (default: champion)")

    export = verb("export", "write a model for serving elsewhere")
    export.add_argument("directory", metavar="DIRECTORY", help="is made; may be there if empty")
    export.add_argument("--format", required=True, choices=("onnx", "saved_model"))
    export.add_argument("--model", default="champion", help="a version (default: champion)")

    archive = verb("archive", "move old batches that were scored out of the inbox")
    archive.add_argument(
        "--older-than",
        type=_duration,
        default=30,
        metavar="DAYS",
        help="that did not change for so long (default: 30)",
    )
    archive.add_argument("--dry-run", action="store_true", help="only show what would be moved")

    verb("models", "list the models")
    promote = verb("promote", "make a model the champion if it is better")
    promote.add_argument("version", nargs="?", metavar="VERSION")
    promote.add_argument("--force", action="store_true", help="whatever its figures are")
    promote.add_argument(
        "--rollback", action="store_true", help="back to the champion before this one"
    )
    _add_corpus(promote)
    lineage = verb("lineage", "show what an artifact was made from")
    lineage.add_argument("path", metavar="PATH", help="directory of an artifact")
    cache = verb("cache", "show what the token cache holds, or remove some of it")
    cache.add_argument("--prune", metavar="NAME", help="remove the words of one segmenter")
    verb("doctor", "check the set-up and say what to mend")
    verb("up", "start the lasting server and its worker, and deploy prefect.yaml")
    verb("down", "end the server and the worker that `up` has started")
    verb("status", "show server, schedule, worker and the last night")
    alerts = verb("alerts", "say or choose what alerts are sent by")
    choice = alerts.add_mutually_exclusive_group()
    choice.add_argument("block", nargs="?", metavar="TYPE/NAME", help="a saved notification block")
    choice.add_argument("--off", action="store_true", help="send none")
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
        "--content-column",
        default="content",
        metavar="NAME",
        help="of the articles, for a model that reads them (default: content)",
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
