"""How verbs of the command `headlines` declare their options, and the options that they share."""

import argparse
import math
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, NoReturn

from headlines.settings import LANGUAGES

Verb = Callable[..., None]
Argument = tuple[tuple[str, ...], dict[str, Any]]  # what `ArgumentParser.add_argument` takes

_TEXT_WITH_HYPHEN = re.compile(r"-[^=]*[^\x21-\x7e=]")
_verbs: dict[str, tuple[Verb, tuple[Argument, ...]]] = {}


def argument(name: str, help: str, **settings: Any) -> Argument:
    """An option such as `--batch NAME`, or a positional argument such as `path PATH`.

    Args:
        name: and what stands for its value in the help.
        help: the default is added to it.
        settings: of `ArgumentParser.add_argument`.
    """
    name, _, metavar = name.partition(" ")
    default = settings.get("default")
    about = help if default is None else f"{help} (default: {default})"
    return (name,), {"help": about, "metavar": metavar or None, **settings}


def flag(name: str, help: str) -> Argument:
    """An option without a value."""
    return (name,), {"help": help, "action": "store_true"}


def verb(*arguments: Argument) -> Callable[[Verb], Verb]:
    """Make a function a verb of its name, and its docstring the help.

    It is called with the `flows.cli.commands.Call` and a value for each of its arguments.
    """

    def register(function: Verb) -> Verb:
        _verbs[function.__name__] = function, arguments
        return function

    return register


def fail(message: str, status: int) -> NoReturn:
    """Leave with one line on standard error and an exit status."""
    line = " ".join(message.split())
    print(f"headlines: {line}", file=sys.stderr)
    sys.exit(status)


class _Parser(argparse.ArgumentParser):
    _given: Sequence[str] = ()

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse as usual, and keep what was given for the message of an error."""
        self._given = sys.argv[1:] if args is None else args
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Leave with one line, as for any other wrong input."""
        # Options are ASCII: anything else with a hyphen is meant as text.
        text = next((given for given in self._given if _TEXT_WITH_HYPHEN.match(given)), None)
        hint = f"see `{self.prog} --help`"
        if text is not None:
            hint = f"put `--` before text that begins with a hyphen: -- {shlex.quote(text)}"
        fail(f"{message}; {hint}", 2)


def build_parser() -> argparse.ArgumentParser:
    """The parser of the command line; it gives `verb`, the function to call, and the options."""
    parser = _Parser(
        prog="headlines",
        description="Labels Chinese news headlines as positive, neutral or negative.",
        epilog="The data root is HEADLINES_DATA (default: data). Exit status: 0 done, 1 the run "
        "failed, 2 the input or the call is wrong.",
    )
    common = _Parser(add_help=False)
    for names, settings in _COMMON:  # before the verb or after it
        parser.add_argument(*names, **settings)
        common.add_argument(*names, **settings, default=argparse.SUPPRESS)
    subparsers = parser.add_subparsers(metavar="VERB", required=True)
    for name, (function, arguments) in _verbs.items():
        about = (function.__doc__ or "").partition("\n")[0].rstrip(".")
        subparser = subparsers.add_parser(name, parents=[common], help=about, description=about)
        subparser.set_defaults(verb=function)
        for names, settings in arguments:
            subparser.add_argument(*names, **settings)
    return parser


def number(text: str) -> float:
    """The number that an option gives."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def duration(text: str) -> float:
    """A number of seconds or days, finite and at least 0."""
    value = number(text)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 0")
    return value


def share(text: str) -> float:
    """A share between 0 and 1."""
    value = number(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 0 and 1")
    return value


def count(text: str) -> int:
    """A number of rows."""
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of rows")
    return int(text)


def day(text: str) -> date:
    """A day in ISO 8601."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day such as 2026-11-20") from None


_COMMON = (
    argument("--data DIR", "data root, instead of HEADLINES_DATA"),
    flag("--json", "print the result as JSON"),
    flag("--json-logs", "log as JSON lines to standard error"),
    argument("--lang LANG", "of reports, en or zh, instead of HEADLINES_LANG", choices=LANGUAGES),
)
CORPUS = argument("--corpus NAME", "name; NAME+labels adds labels of reviews", default="inews")
MODEL = argument("--model VERSION", "a version", default="champion")
ENCODING = argument("--encoding NAME", "of text files", default="utf-8")
_LONG = "what to do with titles of more than 500 characters"
REJECT_LIMIT = (
    argument("--max-reject-rate SHARE", "of unusable rows at most", type=share, default=0.05),
    argument("--max-rejects ROWS", "unusable rows always allowed", type=count, default=10),
)
FIRST_DAY = argument(
    "--from DAY", "first day in the names of the batches", dest="first_day", type=day
)
LAST_DAY = argument("--to DAY", "last day in the names of the batches", dest="last_day", type=day)
FAIL_ON_EMPTY = flag("--fail-on-empty", "fail if a batch has no rows")
# How CSV and TSV are read.
DELIMITER = argument("--delimiter CHAR", "of CSV and TSV, or `tab` (default: comma and tab)")
QUOTING = argument(
    "--quoting",
    "of CSV and TSV: `none` takes quotation marks literally (default: csv; none in TSV)",
    choices=("csv", "none"),
)
# How `score` and `nightly` read batches: the fields of `ReadOptions`.
READ_OPTIONS = (
    ENCODING,
    DELIMITER,
    QUOTING,
    argument("--title-column NAME", "of the headlines", default="title"),
    argument("--id-column NAME", "of your own ids (default: id, if there is one)"),
    argument("--content-column NAME", "of articles, for models that read them (default: content)"),
    argument("--long-titles", _LONG, choices=("reject", "cut"), default="reject"),
)
