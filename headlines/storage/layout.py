"""What everything below the data root is called, and how long what is temporary is kept."""

import re
import unicodedata
from datetime import timedelta
from urllib.parse import quote

from headlines.errors import InputError
from headlines.readers.titles import visible_text

# A component of a batch name holds what means nothing to a shell, a glob or a path: of ASCII these
# characters, and all others that show. It starts with none of these marks, so it is never hidden.
_HARMLESS_MARKS = frozenset(" .()+@,=&_-")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ENCODED = str.maketrans({sign: quote(sign, safe="") for sign in "/=&+,"})
_LONGEST_PARTITION = 200  # bytes; file systems end at 255


WORK = ".work"
SHARED_WORK = f"{WORK}/shared"  # for workers of other machines
QUARANTINE = f"{WORK}/damaged"
CHUNK_FOLDERS = ("admitted", "chunks")  # below a work directory
CHECKPOINT_PREFIXES = ("training-", "trial-")  # of directories and locks below `WORK`
# What each machine keeps for itself where the data root is in a bucket.
MACHINE_FOLDERS = (WORK, "tokens/by-content")
WITH_LABELS = "+labels"  # ends the name of a corpus that people's labels were added to
# The stage that makes the artifacts of a folder.
STAGE_OF_FOLDER = {
    "corpus": "corpus",
    "tokens": "tokens",
    "pretrained": "pretrained",
    "models": "model",
    "predictions": "predictions",
    "reviews/asked": "review",
    "labels": "labels",
    "reports/baseline": "baseline",
    "reports/evaluation": "evaluation",
    "sweeps/trials": "trial",
    "sweeps/results": "sweep",
    "folds/parts": "fold",
    "folds/results": "folds",
}

CHUNKS_KEPT = timedelta(days=7)  # of batches that no run has resumed
DRAFTS_KEPT = timedelta(days=7)  # of other machines, where it is not known whether one is in use
CHECKPOINTS_KEPT = timedelta(days=30)  # of trainings that no run has resumed
LOCKS_KEPT = timedelta(days=30)  # lock files since they were used last
QUARANTINE_KEPT = timedelta(days=30)
CACHE_KEPT = timedelta(days=30)  # local copies of what is in a bucket, since they were opened last
UPLOADS_KEPT = timedelta(days=1)  # parts without a manifest: longer than publishing takes


class Layout:
    """The names of everything below a data root, relative to it."""

    inbox = "inbox"  # batches to score
    archive = "archive"  # batches that were scored and moved out of the inbox
    models = "models"
    champion = "models/champion.json"  # which version scores
    first_champion = "models/.first-champion"  # the first model is to become the champion
    predictions = "predictions"  # the current predictions, one Hive-partitioned dataset
    rejects = "rejects"
    failures = "failed"
    reviews = "reviews"  # sheets for people to fill in
    asked = "reviews/asked"  # what people were asked about
    labels = "labels"  # what they answered
    evaluations = "reports/evaluation"
    overview = "reports/index.html"  # links all reports
    nightly_reports = "reports/nightly"  # an HTML and a JSON file a night
    token_cache = "tokens/by-content"  # a directory for each segmenter

    def corpus(self, name: str) -> str:
        """The corpus of that name, which may end in `WITH_LABELS`."""
        base = name.removesuffix(WITH_LABELS)
        return f"corpus/{validate_name(base, 'corpus name')}{name.removeprefix(base)}"

    def tokens(self, key: str) -> str:
        """The tokens of a corpus, by the key of their artifact."""
        return f"tokens/{key[:16]}"

    def pretrained(self, key: str) -> str:
        """Pretrained vectors."""
        return f"pretrained/{key[:16]}"

    def model(self, version: str) -> str:
        """The bundle of a version."""
        return f"models/{validate_name(version, 'model version')}"

    def predictions_of(self, batch: str) -> str:
        """The current predictions of a batch."""
        return f"predictions/{partition_dir(batch)}"

    def rejects_of(self, batch: str) -> str:
        """The rows of a batch, or of `corpus:<name>`, that could not be used."""
        return f"rejects/{partition_dir(batch)}"

    def failure_of(self, batch: str) -> str:
        """The report on a batch that could not be scored."""
        return f"failed/{partition_dir(batch)}"

    def review(self, name: str) -> str:
        """What a review asked about."""
        return f"{self.asked}/{validate_name(name, 'review name')}"

    def review_sheet(self, name: str) -> str:
        """The sheet of a review, for people to fill in."""
        return f"{self.reviews}/{validate_name(name, 'review name')}.csv"

    def labels_of(self, review: str) -> str:
        """The labels that people gave in a review."""
        return f"{self.labels}/{validate_name(review, 'review name')}"

    def evaluation(self, version: str, key: str) -> str:
        """An evaluation of a version."""
        return f"reports/evaluation/{validate_name(version, 'model version')}-{key[:8]}"

    def baseline(self, key: str) -> str:
        """The predictions of the linear baseline for one corpus."""
        return f"reports/baseline/{key[:16]}"

    def trial(self, key: str) -> str:
        """The metrics of one training of a sweep."""
        return f"sweeps/trials/{key[:16]}"

    def sweep(self, key: str) -> str:
        """The ranking of a sweep and its best preset."""
        return f"sweeps/results/{key[:16]}"

    def fold(self, key: str) -> str:
        """The predictions of one fold of train."""
        return f"folds/parts/{key[:16]}"

    def folds(self, key: str) -> str:
        """The predictions of all folds, their metrics, and suspected label errors."""
        return f"folds/results/{key[:16]}"

    def night_report(self, title: str) -> str:
        """The report of a night."""
        return f"{self.nightly_reports}/{title}.html"


def superseded(name: str) -> str:
    """Where an artifact is kept that was replaced, without the number that is appended."""
    return f"superseded/{name}"


def validate_name(name: str, kind: str) -> str:
    """The name, if it may become one component of a path.

    Raises:
        InputError: it holds anything but ASCII letters, digits and `._-`.
    """
    if not _NAME.fullmatch(name) or ".." in name:
        raise InputError(
            f"{name!r} cannot be a {kind}",
            kind,
            "use up to 64 ASCII letters, digits, '.', '_', '-', and a letter or digit first",
        )
    return name


def validate_batch_name(batch: str) -> str:
    """The batch name, if it may become a partition.

    Raises:
        InputError: a component of it is empty, hidden, `..`, or has a character that does not show
            or has a meaning to shells or file systems; or it is too long.
    """
    for component in batch.split("/"):
        if problem := _component_problem(component):
            raise InputError(
                f"{batch!r} cannot be a batch name",
                "batch name",
                f"{problem}: rename the file, or give another name with --batch",
            )
    if len(_encoded(batch).encode()) > _LONGEST_PARTITION:
        raise InputError(
            f"the batch name {batch[:40]!r}… is too long",
            "batch name",
            f"shorten it to at most {_LONGEST_PARTITION} bytes, or give another with --batch",
        )
    return batch


def _component_problem(component: str) -> str | None:
    if not component:
        return "a part of it is empty"
    visible = visible_text(component)
    for character in component:
        if character.isascii():
            is_harmless = character.isalnum() or character in _HARMLESS_MARKS
        else:
            is_harmless = character.isprintable() and character in visible
        if not is_harmless:
            return f"it may not have {character!a}"
    if component[0] in _HARMLESS_MARKS or unicodedata.category(component[0]).startswith("M"):
        return f"no part of it may begin with {component[0]!a}"
    if component[-1] in ". ":
        return f"no part of it may end with {component[-1]!r}"
    if ".." in component:
        return "it may not have '..'"
    return None


def partition_dir(batch: str) -> str:
    """The Hive partition directory of a batch: `batch=2026-11-20.csv`.

    A `/` of the name (a batch in a folder of the inbox) is percent-encoded, as Hive does, so
    that each batch is one directory.
    """
    if batch.startswith("corpus:"):  # rejects of a corpus; no batch name may hold a colon
        return f"batch=corpus:{validate_name(batch.removeprefix('corpus:'), 'corpus name')}"
    return f"batch={_encoded(validate_batch_name(batch))}"


def _encoded(batch: str) -> str:
    return batch.translate(_ENCODED)
