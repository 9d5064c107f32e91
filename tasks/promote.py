"""The tasks that compare a new model with the champion, and promote it if it is better."""

from prefect.logging import get_run_logger

from headlines.evaluation import promotion
from headlines.evaluation.promotion_rule import PromotionDecision
from headlines.nightly.overview import write_overview
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from tasks.reporting import show_table
from tasks.stage import stage


@stage("look-for-champion", run_name="look for the champion")
def find_opponent(
    root: DataRoot, model: Artifact, tokens: Artifact
) -> Artifact | PromotionDecision:
    """The champion to compare a model with, or the decision if there is nothing to compare."""
    champion = promotion.champion_to_beat(root, model, tokens.manifest.config["segmenter"])
    if isinstance(champion, PromotionDecision):
        _log(champion)
    return champion


@stage("promote", run_name="judge {version}", timeout_seconds=600)
def promote_better(
    root: DataRoot, version: str, challenger: Artifact, champion: Artifact
) -> PromotionDecision:
    """Promote a model if its evaluation is better than the champion's, by the rule."""
    decision = promotion.promote_better(root, challenger, champion)
    write_overview(root)
    _log(decision)
    rows = [{"model": name, **figures} for name, figures in decision.figures.items()]
    show_table("promotion", rows, f"{version}: {decision.summary}")
    return decision


def _log(decision: PromotionDecision) -> None:
    if decision.promoted:
        get_run_logger().info("%s is the champion: %s", decision.version, decision.summary)
    else:
        reasons = "; ".join(decision.reasons)
        get_run_logger().info("%s is not promoted: %s", decision.version, reasons)
