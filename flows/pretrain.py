"""The flow `pretrain`: learns of a corpus without its labels, for models to start from."""

from typing import Any

from prefect import flow

from flows.local_run import run_flow
from flows.logs import hide_expected_tracebacks
from flows.results import result_of
from headlines.models.presets import resolve_preset
from headlines.settings import Settings
from headlines.storage.data_root import DataRoot
from tasks.ingest import ensure_corpus
from tasks.pretrain import pretrain_vectors

hide_expected_tracebacks()


@flow(name="pretrain", flow_run_name="pretrain {preset} on {corpus}")
def pretrain(preset: str = "default", corpus: str = "inews") -> dict[str, Any]:
    """Learn the vectors that a preset starts from, as `train` does if they are missing.

    Args:
        preset: settings of the network and its training; one of `lstm_model.presets.PRESETS`, or
            the path of a preset file on the machine that runs the flow.
        corpus: its name; `inews` is ingested if it is missing.
    """
    root = DataRoot.from_settings(Settings.from_environment())
    ingested = ensure_corpus(root, corpus)
    return {
        view: result_of(pretrain_vectors(root, preset, ingested, view))
        for view in resolve_preset(preset, root.file).input_names
    }


if __name__ == "__main__":
    run_flow("pretrain")
