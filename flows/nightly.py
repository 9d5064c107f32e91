"""The flow `nightly`: make what is missing, then score every batch that is due."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from prefect import flow

from flows.environment import use_running_server
from flows.logs import hide_expected_tracebacks
from flows.parameters import LongTitles, NotNegative, Positive, Share
from flows.score import score_batch
from flows.train import new_model
from headlines.errors import BatchesStopped, DriftTooHigh, InputError
from headlines.evaluation.evaluate import reference_profile
from headlines.metrics.drift import WARN, DriftThresholds, drift
from headlines.metrics.profile import EMPTY_PROFILE, Profile
from headlines.nightly.day_range import DayRange
from headlines.nightly.history import NightSummary, mark_started, recent_nights
from headlines.nightly.inbox import read_inbox
from headlines.readers import ReadOptions
from headlines.scoring.batch import Batch
from headlines.scoring.batch_state import BatchState, batch_state, clear_failure
from headlines.scoring.prepare import MAX_REJECT_RATE
from headlines.scoring.results import BatchResult, batch_result, scored_since
from headlines.storage.artifact import Artifact
from headlines.storage.bucket.garbage import collect_garbage
from headlines.storage.bucket.surveying import surveyed
from headlines.storage.cleanup import clean_chunks, clean_drafts, clean_quarantine
from headlines.storage.file_digests import FileDigestCache
from headlines.storage.layout import Catalog
from tasks.alerts import alert
from tasks.evaluate import evaluate_model
from tasks.ingest import ensure_corpus
from tasks.report import report_night
from tasks.score import read_model
from tasks.segment import segment_corpus
from tasks.train import no_models_yet

hide_expected_tracebacks()

_NAMED = 20  # stopped batches in the error's one line; the report has all


def _run_name() -> str:
    return f"nightly {datetime.now():%Y-%m-%d}"


@flow(name="nightly", flow_run_name=_run_name)
def nightly(
    corpus: str = "inews",
    preset: str = "fast",
    encoding: str = "utf-8",
    title_column: str = "title",
    id_column: str = "id",
    content_column: str = "content",
    long_titles: LongTitles = "reject",
    max_reject_rate: Share = MAX_REJECT_RATE,
    settle_seconds: NotNegative = 0,
    first_day: date | None = None,
    last_day: date | None = None,
    drift_warn: Positive = WARN,
    drift_stop: Positive | None = None,
) -> dict[str, Any]:
    """Score every due batch of the inbox with the champion.

    Corpus and tokens are made where they are missing; a first champion is trained only where
    there never was a model. The champion is evaluated before it scores.

    Args:
        corpus: name of the corpus that a first champion is trained on.
        preset: settings of a first champion.
        encoding: of the text files in the inbox.
        title_column: name of the column of the headlines.
        id_column: name of the column of a batch's own identities, if there is one.
        content_column: name of the column of the articles, for a model that reads them.
        long_titles: `reject` or `cut` titles of more than 500 characters.
        max_reject_rate: a batch with a larger share of unusable rows is stopped.
        settle_seconds: a batch that changed less than that ago is left for the next night.
        first_day: only batches with a day in their names that is not before this one.
        last_day: only batches with a day in their names that is not after this one.
        drift_warn: population stability index of labels, lengths or shares of unknown words from
            which the report and the log warn that the headlines are unlike those of dev.
        drift_stop: the same, from which the run fails, so that an alert fires. The predictions are
            published all the same: they are what the model says of those headlines.

    Raises:
        BatchesStopped: some batches could not be scored; all others were. Where the drift is too
            high as well, it says so too.
        DriftTooHigh: all is scored and the report is written, but the drift reached `drift_stop`.
    """
    catalog = Catalog.from_environment()
    days = DayRange(first_day, last_day)
    reading = ReadOptions(encoding, title_column, id_column, long_titles, content_column)
    limits = DriftThresholds(drift_warn, drift_stop)
    clean_drafts(catalog)
    clean_chunks(catalog)
    clean_quarantine(catalog)
    ingested = ensure_corpus(catalog, corpus)
    tokens = segment_corpus(catalog, corpus, ingested)
    if no_models_yet(catalog):
        new_model(catalog, preset, ingested, tokens)
    model = read_model(catalog, "champion")
    evaluation = evaluate_model(catalog, model.directory.name, model, ingested, tokens)
    untold = mark_started(catalog)
    digests = FileDigestCache(catalog)
    inbox = read_inbox(catalog, digests.of, settle_seconds, days)
    with surveyed(catalog):
        results = [
            _outcome(catalog, batch, digests.of, model, reading, max_reject_rate, untold)
            for batch in inbox.batches
        ]
        collect_garbage(catalog)
    digests.save()
    profile, reference = _profile(results), reference_profile(evaluation)
    night = NightSummary(
        model=model.directory.name,
        batches=[
            *(result for result in results if result.outcome != "reused"),
            *(BatchResult(name, "settling", message=why) for name, why in inbox.settling.items()),
        ],
        reused=sum(result.outcome == "reused" for result in results),
        left_out={"of other days": len(inbox.other_days), "without a day": len(inbox.undated)},
        skipped=inbox.skipped,
        profile=profile,
        reference=reference,
        before=recent_nights(catalog.nightly_reports),
        drift=drift(profile, reference, limits),
    )
    report = report_night(catalog, f"{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}", night)
    _emit_alerts(night, report)
    result = {
        "inbox": str(catalog.inbox),
        "evaluation": str(evaluation.directory),
        "figures": evaluation.counts["metrics"],
        **asdict(night),
        "report": str(report),
    }
    _raise_on_problems(night, report, result)
    return result


def _profile(results: Sequence[BatchResult]) -> Profile:
    """What all headlines scored in this run look like."""
    scored = (result.profile for result in results if result.outcome == "scored")
    return sum((Profile.from_dict(profile) for profile in scored if profile), EMPTY_PROFILE)


def _emit_alerts(night: NightSummary, report: Path) -> None:
    """Send the events of what calls for a person though the run does not fail."""
    if not night.batches:
        alert("no-batch", "no batch was due this night", f"see {report}")
    warnings = [str(finding) for finding in night.drift if finding.level == "warn"]
    if warnings:
        alert("drift", "headlines unlike those of dev", f"{'; '.join(warnings)}; see {report}")


def _raise_on_problems(night: NightSummary, report: Path, result: dict[str, Any]) -> None:
    stopped = [batch.batch for batch in night.batches if batch.outcome == "stopped"]
    more = f" and {len(stopped) - _NAMED} more" if len(stopped) > _NAMED else ""
    told = [f"stopped: {', '.join(stopped[:_NAMED])}{more}"] if stopped else []
    told += [str(finding) for finding in night.drift if finding.level == "stop"]
    message = f"{'; '.join(told)}; see {report}"
    if stopped:
        raise BatchesStopped(message, result)
    if told:
        raise DriftTooHigh(message, result)


def _outcome(
    catalog: Catalog,
    batch: Batch,
    digest: Callable[[Path], str],
    model: Artifact,
    reading: ReadOptions,
    max_reject_rate: float,
    untold: str | None,
) -> BatchResult:
    """One batch's outcome; what goes wrong with it does not keep the others waiting.

    One that a night has scored which then left no report counts as scored in this one.

    Args:
        untold: when the first such night began.
    """
    try:
        state = batch_state(catalog, batch, digest)
        if state is BatchState.FAILED:
            return batch_result(catalog, batch, "waiting")
        if state is BatchState.SCORED:
            clear_failure(catalog, batch)  # a failure of other bytes, which are no more
            if untold and scored_since(catalog, batch, untold):
                return batch_result(catalog, batch, "scored")
            return BatchResult(batch.name, "reused")
        return score_batch(batch.name, batch, model, reading, max_reject_rate, rescore=False)
    except InputError as error:
        return BatchResult(batch.name, "stopped", message=str(error))
    except Exception as error:  # tried again next night; Prefect has logged its traceback
        return BatchResult(batch.name, "stopped", message=f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    use_running_server()
    nightly()
