"""The flow `train`: a new model version from a corpus, promoted if it is better."""

from typing import Any

from prefect import flow

from flows.local_run import run_flow
from flows.logs import hide_expected_tracebacks
from flows.results import evaluation_result, result_of
from headlines.evaluation.promotion_rule import PromotionDecision
from headlines.models.presets import resolve_preset
from headlines.settings import Settings
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from tasks.evaluate import evaluate_model
from tasks.ingest import ensure_corpus
from tasks.pretrain import pretrain_vectors
from tasks.promote import find_opponent, promote_better
from tasks.segment import segment_corpus
from tasks.train import train_model

hide_expected_tracebacks()


@flow(name="train", flow_run_name="train {preset} on {corpus}")
def train(preset: str = "default", corpus: str = "inews", promote: bool = True) -> dict[str, Any]:
    """Train a model and evaluate it.

    The first model of a data root becomes its champion. A later one replaces the champion only if
    it is better by the rule of `headlines.evaluation.promotion_rule.judge`; else the result has the
    reasons.

    Args:
        preset: settings of the network and its training; one of `lstm_model.presets.PRESETS`, or
            the path of a preset file on the machine that runs the flow.
        corpus: its name; `inews` is ingested if it is missing.
        promote: whether the model may become the champion; a first model always does.
    """
    root = DataRoot.from_settings(Settings.from_environment())
    ingested = ensure_corpus(root, corpus)
    tokens = segment_corpus(root, corpus, ingested)
    model = new_model(root, preset, ingested, tokens)
    evaluation = evaluate_model(root, model.version, model, ingested, tokens)
    decision = _decision(root, model, evaluation, ingested, tokens) if promote else None
    return {
        **result_of(model),
        "evaluation": evaluation_result(evaluation),
        "promotion": decision.to_dict() if decision else None,
    }


def new_model(root: DataRoot, preset: str, corpus: Artifact, tokens: Artifact) -> Artifact:
    """Train a preset, from pretrained vectors if it uses them."""
    settings = resolve_preset(preset, root.file)
    pretrained = [
        pretrain_vectors(root, preset, corpus, view)
        for view in (settings.input_names if settings.pretrained else ())
    ]
    return train_model(root, preset, corpus, tokens, pretrained)


def _decision(
    root: DataRoot, model: Artifact, evaluation: Artifact, corpus: Artifact, tokens: Artifact
) -> PromotionDecision:
    opponent = find_opponent(root, model, tokens)
    if isinstance(opponent, PromotionDecision):
        return opponent
    champion = evaluate_model(root, opponent.version, opponent, corpus, tokens)
    return promote_better(root, model.version, evaluation, champion)


if __name__ == "__main__":
    run_flow("train")
