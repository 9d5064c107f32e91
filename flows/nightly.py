"""The flow `nightly`: make what is missing, then score every batch that is due."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from prefect import flow

from flows.quiet import without_tracebacks
from flows.score import score_batch
from headlines.admission import MAX_REJECT_RATE
from headlines.artifact import Artifact
from headlines.batches import Batch, State, read_inbox, state_of
from headlines.catalog import Catalog
from headlines.drafts import sweep_drafts, sweep_pieces
from headlines.errors import BatchesStopped, InputError
from headlines.reports import BatchResult
from headlines.scoring import batch_result
from tasks.evaluate import evaluate_model
from tasks.ingest import ensure_corpus
from tasks.report import report_night
from tasks.score import read_model
from tasks.segment import segment_corpus
from tasks.train import never_trained, train_model

without_tracebacks()


def _run_name() -> str:
    return f"nightly {datetime.now():%Y-%m-%d}"


@flow(name="nightly", flow_run_name=_run_name)
def nightly(
    corpus: str = "inews",
    preset: str = "default",
    encoding: str = "utf-8",
    max_reject_rate: float = MAX_REJECT_RATE,
) -> dict[str, Any]:
    """Score every due batch of the inbox with the champion.

    Corpus and tokens are made where they are missing; a first champion is trained only where
    there never was a model.

    Args:
        corpus: name of the corpus that a first champion is trained on.
        preset: settings of a first champion.
        encoding: of the text files in the inbox.
        max_reject_rate: a batch with a larger share of unusable rows is stopped.

    Raises:
        BatchesStopped: some batches could not be scored; all others were.
    """
    catalog = Catalog.from_environment()
    sweep_drafts(catalog)
    sweep_pieces(catalog)
    ingested = ensure_corpus(catalog, corpus)
    tokens = segment_corpus(catalog, corpus, ingested)
    if never_trained(catalog):
        train_model(catalog, preset, ingested, tokens)
    model = read_model(catalog, "champion")
    inbox = read_inbox(catalog)
    results = [
        _outcome(catalog, batch, model, encoding, max_reject_rate) for batch in inbox.batches
    ]
    evaluation = evaluate_model(catalog, model.directory.name, model, ingested, tokens)
    report = report_night(catalog, model.directory.name, results, inbox.skipped)
    night = {
        "inbox": str(catalog.inbox),
        "model": model.directory.name,
        "evaluation": str(evaluation.directory),
        "figures": evaluation.counts["metrics"],
        "batches": [asdict(result) for result in results],
        "skipped": inbox.skipped,
        "report": str(report),
    }
    stopped = [result.batch for result in results if result.outcome == "stopped"]
    if stopped:
        raise BatchesStopped(f"stopped: {', '.join(stopped)}; see {report}", night)
    return night


def _outcome(
    catalog: Catalog, batch: Batch, model: Artifact, encoding: str, max_reject_rate: float
) -> BatchResult:
    """One batch's outcome; what goes wrong with it does not keep the others waiting."""
    try:
        state = state_of(catalog, batch)
        if state is State.FAILED:
            return batch_result(catalog, batch, "waiting")
        if state is State.SCORED:
            return batch_result(catalog, batch, "reused")
        return score_batch(batch.name, batch, model, encoding, max_reject_rate, rescore=False)
    except InputError as error:
        return BatchResult(batch.name, "stopped", message=str(error))
    except Exception as error:  # tried again next night; Prefect has logged its traceback
        return BatchResult(batch.name, "stopped", message=f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    nightly()
