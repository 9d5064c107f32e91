"""The flow `evaluate`: a model on the held-out splits of a corpus."""

from typing import Any

from prefect import flow

from flows.local_run import run_flow
from flows.logs import hide_expected_tracebacks
from flows.results import evaluation_result
from headlines.settings import Settings
from headlines.storage.data_root import DataRoot
from tasks.evaluate import evaluate_model
from tasks.ingest import ensure_corpus
from tasks.score import read_model
from tasks.segment import segment_corpus

hide_expected_tracebacks()


@flow(name="evaluate", flow_run_name="evaluate {model} on {corpus}")
def evaluate(model: str = "champion", corpus: str = "inews") -> dict[str, Any]:
    """Evaluate a model.

    Args:
        model: a version, or `champion`.
        corpus: its name; `inews` is ingested if it is missing.
    """
    root = DataRoot.from_settings(Settings.from_environment())
    evaluated = read_model(root, model)
    ingested = ensure_corpus(root, corpus)
    tokens = segment_corpus(root, corpus, ingested)
    artifact = evaluate_model(root, evaluated.version, evaluated, ingested, tokens)
    return evaluation_result(artifact)


if __name__ == "__main__":
    run_flow("evaluate")
