"""The flow `sweep`: tries settings of the network and its training on dev, and ranks them."""

import shlex
from typing import Any

from prefect import flow

from flows.environment import use_running_server
from flows.logs import hide_expected_tracebacks
from flows.results import result_of
from headlines.storage.layout import Catalog
from headlines.training.search_space_file import read_space
from headlines.training.sweep import ranked
from tasks.ingest import ensure_corpus
from tasks.segment import segment_corpus
from tasks.sweep import rank_trials, run_trial

hide_expected_tracebacks()


@flow(name="sweep", flow_run_name="sweep {space} on {corpus}")
def sweep(space: str = "docs/sweep.toml", corpus: str = "inews") -> dict[str, Any]:
    """Train and measure every trial of a space, one after the other, and rank them.

    No model is kept, and the champion stays. What was tried before is not tried again.

    Args:
        space: path of a TOML file that says what to try, as `docs/sweep.toml` does.
        corpus: its name; `inews` is ingested where it is missing.
    """
    catalog = Catalog.from_environment()
    searched = read_space(space)
    ingested = ensure_corpus(catalog, corpus)
    tokens = segment_corpus(catalog, corpus, ingested)
    outcomes = [
        run_trial(catalog, trial.number, trial, searched.seeds, ingested, tokens)
        for trial in searched.trials()
    ]
    artifact = rank_trials(catalog, searched, outcomes)
    best = artifact.counts["best"]
    preset = str(artifact.directory / best) if best else None
    train = ["headlines", "train", "--preset", preset, "--corpus", corpus] if preset else []
    return {
        **result_of(artifact),
        "seeds": searched.seeds,
        "trials": [outcome.to_dict() for outcome in ranked(outcomes)],
        "best": preset,
        "train": shlex.join(train) or None,
    }


if __name__ == "__main__":
    use_running_server()
    sweep()
