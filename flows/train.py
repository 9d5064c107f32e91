"""The flow `train`: a new model version from a corpus."""

from typing import Any

from prefect import flow

from flows.quiet import without_tracebacks
from flows.results import result_of
from headlines.catalog import Catalog
from tasks.ingest import ensure_corpus
from tasks.segment import segment_corpus
from tasks.train import train_model

without_tracebacks()


@flow(name="train", flow_run_name="train {preset} on {corpus}")
def train(preset: str = "default", corpus: str = "inews") -> dict[str, Any]:
    """Train a model. The first model of a data root becomes its champion.

    Args:
        preset: settings of the network and its training; one of `lstm_model.presets.PRESETS`.
        corpus: its name; `inews` is ingested where it is missing.
    """
    catalog = Catalog.from_environment()
    ingested = ensure_corpus(catalog, corpus)
    tokens = segment_corpus(catalog, corpus, ingested)
    return result_of(train_model(catalog, preset, ingested, tokens))


if __name__ == "__main__":
    train()
