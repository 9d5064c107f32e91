"""The flow `segment`: the words of every headline of a corpus, cached."""

from typing import Any

from prefect import flow

from flows.quiet import without_tracebacks
from flows.results import result_of
from flows.surroundings import use_server
from headlines.catalog import Catalog
from tasks.ingest import ensure_corpus
from tasks.segment import segment_corpus

without_tracebacks()


@flow(name="segment", flow_run_name="segment {corpus}")
def segment(corpus: str = "inews") -> dict[str, Any]:
    """Segment a corpus.

    Args:
        corpus: its name; `inews` is ingested where it is missing.
    """
    catalog = Catalog.from_environment()
    ingested = ensure_corpus(catalog, corpus)
    return result_of(segment_corpus(catalog, corpus, ingested))


if __name__ == "__main__":
    use_server()
    segment()
