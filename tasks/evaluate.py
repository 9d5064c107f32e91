"""The task that evaluates a model."""

from headlines import evaluation
from headlines.artifact import Artifact
from headlines.catalog import Catalog
from tasks.reporting import log_stage, show_table
from tasks.stage import stage


@stage("evaluate", run_name="evaluate {version}", timeout_seconds=1800)
def evaluate_model(
    catalog: Catalog, version: str, model: Artifact, corpus: Artifact, tokens: Artifact
) -> Artifact:
    """Evaluate a model, or reuse its evaluation."""
    artifact = evaluation.evaluate(catalog, model, corpus, tokens)
    log_stage(f"evaluation of {version}", artifact, f"{artifact.counts['mistakes']} mistakes")
    rows = [
        {"split": split, "headlines": part, **numbers}
        for split, parts in artifact.counts["metrics"].items()
        for part, numbers in parts.items()
    ]
    show_table("evaluation", rows, f"Evaluation of {version}; report: {artifact.directory}")
    return artifact
