"""The flow `segment`: the words of every headline of a corpus, cached."""

from typing import Any

from prefect import flow

from flows.local_run import run_flow
from flows.logs import hide_expected_tracebacks
from flows.results import result_of
from headlines.settings import Settings
from headlines.storage.data_root import DataRoot
from tasks.ingest import ensure_corpus
from tasks.segment import segment_corpus

hide_expected_tracebacks()


@flow(name="segment", flow_run_name="segment {corpus}")
def segment(corpus: str = "inews") -> dict[str, Any]:
    """Segment a corpus.

    Args:
        corpus: its name; `inews` is ingested if it is missing.
    """
    root = DataRoot.from_settings(Settings.from_environment())
    ingested = ensure_corpus(root, corpus)
    return result_of(segment_corpus(root, corpus, ingested))


if __name__ == "__main__":
    run_flow("segment")
