"""The tasks that compare a new model with the champion, and promote it if it is better."""

from prefect.logging import get_run_logger

from headlines.evaluation import promotion
from headlines.evaluation.promotion_rule import PromotionDecision
from headlines.storage.artifact import Artifact
from headlines.storage.layout import Catalog
from tasks.reporting import show_table
from tasks.stage import stage


@stage("look-for-champion", run_name="look for the champion")
def find_opponent(
    catalog: Catalog, model: Artifact, tokens: Artifact
) -> Artifact | PromotionDecision:
    """The champion to compare a model with; the verdict where there is nothing to compare."""
    found = promotion.champion_to_beat(catalog, model, tokens.manifest.config["segmenter"])
    if isinstance(found, PromotionDecision):
        _tell(found)
    return found


@stage("promote", run_name="judge {version}", timeout_seconds=600)
def promote_better(
    catalog: Catalog, version: str, challenger: Artifact, champion: Artifact
) -> PromotionDecision:
    """Promote a model if its evaluation is better than the champion's, by the rule."""
    verdict = promotion.promote_better(catalog, challenger, champion)
    _tell(verdict)
    rows = [{"model": name, **figures} for name, figures in verdict.figures.items()]
    show_table("promotion", rows, f"{version}: {verdict.summary}")
    return verdict


def _tell(verdict: PromotionDecision) -> None:
    if verdict.promoted:
        get_run_logger().info("%s is the champion: %s", verdict.version, verdict.summary)
    else:
        reasons = "; ".join(verdict.reasons)
        get_run_logger().info("%s is not promoted: %s", verdict.version, reasons)
