"""The flow `sweep`: tries settings of network and training, and ranks them."""

import shlex
from typing import Any

from prefect import flow

from flows.local_run import run_flow
from flows.logs import hide_expected_tracebacks
from flows.results import result_of
from headlines.settings import Settings
from headlines.storage.data_root import DataRoot
from headlines.training.search_space_file import read_space
from headlines.training.sweep import ranked
from tasks.ingest import ensure_corpus
from tasks.segment import segment_corpus
from tasks.sweep import rank_trials, run_trial

hide_expected_tracebacks()


@flow(name="sweep", flow_run_name="sweep {space} on {corpus}")
def sweep(space: str = "docs/sweep.toml", corpus: str = "inews") -> dict[str, Any]:
    """Train and measure every trial of a search space, one after the other, and rank them.

    They are measured on dev, or on folds of train if the file says so. No model is kept, and the
    champion stays. Trials of an earlier sweep are not repeated.

    Args:
        space: path of a TOML file with the values to try, such as `docs/sweep.toml`.
        corpus: its name; `inews` is ingested if it is missing.
    """
    root = DataRoot.from_settings(Settings.from_environment())
    search_space = read_space(space, root.file)
    ingested = ensure_corpus(root, corpus)
    tokens = segment_corpus(root, corpus, ingested)
    outcomes = [
        run_trial(
            root, trial.number, trial, search_space.seeds, search_space.folds, ingested, tokens
        )
        for trial in search_space.trials()
    ]
    artifact = rank_trials(root, search_space, outcomes)
    best = artifact.counts["best"]
    preset = f"{artifact.location}/{best}" if best else None
    train = ["headlines", "train", "--preset", preset, "--corpus", corpus] if preset else []
    return {
        **result_of(artifact),
        "seeds": search_space.seeds,
        "folds": search_space.folds,
        "trials": [outcome.to_dict() for outcome in ranked(outcomes)],
        "best": preset,
        "train": shlex.join(train) or None,
    }


if __name__ == "__main__":
    run_flow("sweep")
