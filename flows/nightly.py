"""The flow `nightly`: make what is missing, then score every batch that is due."""

from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Any

from prefect import flow
from prefect.runtime import flow_run

from flows.local_run import run_flow
from flows.logs import hide_expected_tracebacks
from flows.parameters import Count, LongTitles, NotNegative, Positive, Quoting, Share
from flows.score import score_batch, score_batches
from flows.train import new_model
from headlines.metrics.drift import WARN, DriftThresholds
from headlines.nightly.history import mark_started
from headlines.nightly.inbox import read_inbox
from headlines.nightly.night import alerts_of, raise_on_problems, score_inbox, summarize
from headlines.readers import ReadOptions
from headlines.readers.rejects import MAX_REJECT_RATE, MAX_REJECTS
from headlines.scoring.batch import Batch
from headlines.scoring.options import ScoreOptions
from headlines.scoring.results import BatchResult, stopped_result
from headlines.segmentation import Segmenter
from headlines.settings import Settings
from headlines.storage.cleanup import clean_work
from headlines.storage.data_root import DataRoot
from headlines.storage.day_range import DayRange
from headlines.storage.file_digests import FileDigestCache
from tasks.alerts import alert
from tasks.evaluate import evaluate_model
from tasks.ingest import ensure_corpus
from tasks.interruption import interrupted
from tasks.report import report_night
from tasks.score import read_model
from tasks.segment import segment_corpus
from tasks.train import no_models_yet

hide_expected_tracebacks()


def night_name(scheduled: datetime, first_day: object, last_day: object) -> str:
    """The name of a run, which no other has and a retry keeps."""
    days = f" {first_day or ''} to {last_day or ''}".rstrip() if first_day or last_day else ""
    return f"{'backfill' if days else 'nightly'}{days}, {scheduled.astimezone():%Y-%m-%d %H:%M:%S}"


def _run_name() -> str:
    given = flow_run.parameters
    return night_name(flow_run.scheduled_start_time, given.get("first_day"), given.get("last_day"))


@flow(name="nightly", flow_run_name=_run_name)
def nightly(
    corpus: str = "inews",
    preset: str = "default",
    encoding: str = "utf-8",
    title_column: str = "title",
    id_column: str | None = None,
    content_column: str | None = None,
    long_titles: LongTitles = "reject",
    delimiter: str | None = None,
    quoting: Quoting | None = None,
    max_reject_rate: Share = MAX_REJECT_RATE,
    max_rejects: Count = MAX_REJECTS,
    fail_on_empty: bool = False,
    settle_seconds: NotNegative = 0,
    first_day: date | None = None,
    last_day: date | None = None,
    drift_warn: Positive = WARN,
    drift_stop: Positive | None = None,
) -> dict[str, Any]:
    """Score every due batch of the inbox with the champion.

    Corpus and tokens are made where they are missing. A first champion is trained only where there
    never was a model. The champion is evaluated before it scores.

    Args:
        corpus: name of the corpus that a first champion is trained on.
        preset: settings of a first champion.
        encoding: of the text files in the inbox.
        title_column: name of the column of the headlines.
        id_column: name of the column of a batch's own ids; null for `id`, if there is one.
        content_column: name of the column of the articles, for a model that reads them; null for
            `content`, if there is one.
        long_titles: `reject` or `cut` titles of more than 500 characters.
        delimiter: between the columns of CSV and TSV; null for a comma and a tab.
        quoting: `csv` or `none`; null for `csv` in CSV and `none` in TSV.
        max_reject_rate: a batch with a larger share of unusable rows is stopped,
        max_rejects: if there are more of them than this.
        fail_on_empty: fail, when all is done, if a batch has no rows.
        settle_seconds: a batch that changed less than that ago is left for the next night.
        first_day: only batches with a day in their names that is not before this one.
        last_day: only batches with a day in their names that is not after this one.
        drift_warn: population stability index of labels, lengths or shares of unknown words from
            which the report and the log warn that the headlines are unlike those of dev.
        drift_stop: the same, from which the run fails, so that an alert fires. The predictions are
            published nevertheless: they are what the model says of those headlines.

    Raises:
        BatchesStopped: some batches could not be scored; all others were. The message names high
            drift too. Or a batch has no rows, with `fail_on_empty`.
        DriftTooHigh: all is scored and the report is written, but the drift reached `drift_stop`.
    """
    root = DataRoot.from_settings(Settings.from_environment())
    days = DayRange(first_day, last_day)
    thresholds = DriftThresholds(drift_warn, drift_stop)
    read = ReadOptions(
        encoding, title_column, id_column, long_titles, content_column, delimiter, quoting
    )
    segmenter = Segmenter.from_settings(root.settings)
    options = ScoreOptions(read, max_reject_rate, max_rejects, segmenter)
    clean_work(root.store.work)  # first of all: the drafts of killed runs may fill the disk

    ingested = ensure_corpus(root, corpus)
    tokens = segment_corpus(root, corpus, ingested)
    if no_models_yet(root):
        new_model(root, preset, ingested, tokens)
    model = read_model(root, "champion")
    evaluation = evaluate_model(root, model.version, model, ingested, tokens)

    unreported_since = mark_started(root)
    digests = FileDigestCache(root)
    inbox = read_inbox(root, digests.of, settle_seconds, days)

    def score(batch: Batch) -> BatchResult:
        try:
            return score_batch(batch, model, options)
        except Exception as error:
            if interrupted.is_set():  # the batch has no fault
                raise KeyboardInterrupt from None
            return stopped_result(batch, error)  # the traceback is in the log

    def score_all(due: list[Batch]) -> list[BatchResult]:
        return score_batches(root, due, model, options, score)

    with root.store.listed(root.predictions, root.rejects, root.failures):
        results = score_inbox(root, inbox.batches, score_all, digests.of, unreported_since)
        root.store.collect_garbage()
    digests.save()

    night = summarize(root, model.version, inbox, results, evaluation, thresholds)
    report = report_night(root, f"{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}", night)
    for event in alerts_of(night, report):
        alert(event.kind, event.summary, event.detail)
    result = {
        "inbox": root.location(root.inbox),
        "evaluation": evaluation.location,
        "figures": evaluation.counts["metrics"],
        **asdict(night),
        "report": str(report),
    }
    raise_on_problems(night, report, result, fail_on_empty=fail_on_empty)
    return result


if __name__ == "__main__":
    run_flow("nightly")
