"""The task that evaluates a model."""

from headlines.evaluation import evaluate
from headlines.evaluation.report import evaluation_summary
from headlines.nightly.overview import write_overview
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from tasks.reporting import log_stage, show_report, show_table
from tasks.stage import stage

_FIGURES = ("rows", "accuracy", "macro_f1")


@stage("evaluate", run_name="evaluate {version}", timeout_seconds=1800)
def evaluate_model(
    root: DataRoot, version: str, model: Artifact, corpus: Artifact, tokens: Artifact
) -> Artifact:
    """Evaluate a model, unless that is up to date."""
    artifact = evaluate.evaluate(root, model, corpus, tokens)
    log_stage(f"evaluation of {version}", artifact, f"{artifact.counts['mistakes']} mistakes")
    rows = [
        {"split": split, "headlines": part, **{name: numbers[name] for name in _FIGURES}}
        for split, parts in artifact.counts["metrics"].items()
        for part, numbers in parts.items()
    ]
    show_table("evaluation", rows, f"Figures of {version}")
    report = artifact.directory / "report.html"
    title = f"Evaluation of {version}"
    show_report(root, "evaluation-report", evaluation_summary(artifact), report, title)
    write_overview(root)
    return artifact
