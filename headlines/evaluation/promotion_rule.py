"""The promotion rule: is a model better than the champion on held-out headlines?"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from headlines.corpus.with_labels import REVIEWED
from headlines.errors import InputError
from headlines.labels import LABELS
from headlines.metrics.bootstrap import (
    Comparison,
    Difference,
    paired_bootstrap,
    paired_cross_entropy,
)
from headlines.metrics.calibration import calibration_metrics
from headlines.metrics.classification import classification_metrics
from headlines.storage.artifact import Artifact

# One-sided: of challengers that are no better, one in twenty passes the test.
MAX_P_VALUE = 0.05
# Of macro-F1, whose standard error on the iNews dev split is about 0.015 between two models: this
# keeps a series of promotions from giving up what the labels are for.
MAX_MACRO_F1_LOSS = 0.01
# Of a class's F1. The smallest class of the iNews dev split has so few headlines that a single one
# moves its F1 by about half of this; no single headline should decide.
MAX_CLASS_F1_LOSS = 0.02

_PROBABILITIES = [f"p_{name}" for name in LABELS]
_ROW_COLUMNS = ["split", "row", "title", "label"]  # which must be equal in two evaluations
_JUDGED = ("dev", REVIEWED)
_MIN_ROWS = 30  # fewer of a split say nothing by themselves


@dataclass(frozen=True)
class PromotionDecision:
    """Whether a model becomes the champion, and why.

    Attributes:
        version: the challenger.
        champion: the champion that it was compared with, or that stays without a comparison; None
            where there is no other champion, or none that can be used.
        promoted: what the rule decides; in the result of a promotion, whether it is the champion.
        summary: one sentence with the metrics, kept in the champion's history.
        reasons: reasons against the challenger, one sentence each.
        figures: `accuracy`, `macro_f1` and `cross_entropy` of `challenger` and `champion` on the
            compared rows.
        comparison: challenger minus champion, on the same rows.
        cross_entropy: the same of the cross-entropy, which decides.
    """

    version: str
    champion: str | None
    promoted: bool
    summary: str
    reasons: tuple[str, ...] = ()
    figures: dict[str, dict[str, float]] = field(default_factory=dict)
    comparison: Comparison | None = None
    cross_entropy: Difference | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return asdict(self)


def not_compared(version: str, reason: str, champion: str | None = None) -> PromotionDecision:
    """The decision against a model that cannot be compared with the champion."""
    summary = "it was not compared with the champion"
    return PromotionDecision(version, champion, False, summary, (reason,))


def judge(challenger: Artifact, champion: Artifact) -> PromotionDecision:
    """Compare a model with the champion by their evaluations on the same corpus.

    The challenger is promoted only if, on the dev rows whose titles are not in train, and on the
    reviewed ones that were drawn by lot, where the corpus has them,
    - its cross-entropy is lower than the champion's by a paired test (p below `MAX_P_VALUE`). That
      is a proper score (Gneiting & Raftery 2007), and on a thousand headlines its test finds a
      better model several times as often as one of macro-F1;
    - its macro-F1 is not lower than the champion's by more than `MAX_MACRO_F1_LOSS`;
    - no class's F1 is lower than the champion's by more than `MAX_CLASS_F1_LOSS`;
    - where there are reviewed rows, its cross-entropy is not shown to be higher on either split
      (the 95 % interval of the difference lies above 0): dev has many more rows than reviews, which
      are of the headlines that the model has to label now;
    - it fails no behaviour check that the champion passes or is better at. (A floor that no model
      reaches yet must not keep the better of two models from scoring.)
    The test split is not used: choosing models by it would use it up. Whether one of the two was
    trained on these rows as part of another corpus is not known here.

    Raises:
        InputError: the two were not evaluated on the same rows.
    """
    ours, theirs = _judged_predictions(challenger), _judged_predictions(champion)
    version, champion_version = _version(challenger), _version(champion)
    if not ours[_ROW_COLUMNS].equals(theirs[_ROW_COLUMNS]):
        raise InputError(
            f"{version} and {champion_version} were not evaluated on the same dev headlines "
            f"({len(ours)} and {len(theirs)})",
            challenger.location,
            "evaluate both on one corpus with a dev split",
        )
    if ours.empty:
        return not_compared(
            version, "there are no dev headlines to compare it on", champion_version
        )
    labels = ours["label"].to_numpy()
    our_labels, their_labels = (frame["prediction"].to_numpy() for frame in (ours, theirs))
    comparison = paired_bootstrap(labels, our_labels, their_labels)
    cross_entropy = paired_cross_entropy(
        labels, *(frame[_PROBABILITIES].to_numpy() for frame in (ours, theirs))
    )
    our_metrics, their_metrics = _metrics(ours), _metrics(theirs)
    splits = " and ".join(split for split in _JUDGED if (ours["split"] == split).any())
    reasons = [
        *_not_better(splits, cross_entropy, our_metrics, their_metrics),
        *_macro_f1_loss(splits, comparison, our_metrics, their_metrics),
        *_worse_splits(ours, theirs),
        *_class_losses(comparison),
        *_behaviour_regressions(challenger, champion),
    ]
    return PromotionDecision(
        version=version,
        champion=champion_version,
        promoted=not reasons,
        summary=f"{splits} cross-entropy {our_metrics['cross_entropy']:.3f}, that of "
        f"{champion_version} {their_metrics['cross_entropy']:.3f}: {cross_entropy.difference:+.3f} "
        f"({cross_entropy.low:+.3f} to {cross_entropy.high:+.3f}), p {cross_entropy.p:.4f}; "
        f"macro-F1 {our_metrics['macro_f1']:.3f} and {their_metrics['macro_f1']:.3f}; "
        f"{comparison.rows} headlines",
        reasons=tuple(reasons),
        figures={"challenger": our_metrics, "champion": their_metrics},
        comparison=comparison,
        cross_entropy=cross_entropy,
    )


def _judged_predictions(evaluation: Artifact) -> pd.DataFrame:
    """The dev and reviewed rows whose titles are not in train, in order."""
    columns = ["leaked", "prediction", *_PROBABILITIES, *_ROW_COLUMNS]
    path = evaluation.directory / "output_check.parquet"
    frame = pd.read_parquet(path, columns=columns)
    frame = frame[frame["split"].isin(_JUDGED) & ~frame["leaked"]]
    return frame.sort_values(["split", "row"], ignore_index=True)


def _version(evaluation: Artifact) -> str:
    return Path(evaluation.manifest.inputs[0].path).name


def _metrics(rows: pd.DataFrame) -> dict[str, float]:
    labels, predictions = rows["label"].to_numpy(), rows["prediction"].to_numpy()
    metrics = classification_metrics(labels, predictions)
    calibration = calibration_metrics(rows[_PROBABILITIES].to_numpy(), labels, predictions)
    return {
        "accuracy": metrics["accuracy"],
        "macro_f1": metrics["macro_f1"],
        "cross_entropy": calibration["nll"],
    }


def _not_better(
    splits: str, cross_entropy: Difference, ours: dict[str, float], theirs: dict[str, float]
) -> list[str]:
    if cross_entropy.p < MAX_P_VALUE:
        return []
    return [
        f"its {splits} cross-entropy of {ours['cross_entropy']:.3f} is not shown to be lower than "
        f"the champion's {theirs['cross_entropy']:.3f} ({cross_entropy.difference:+.3f}, "
        f"p {cross_entropy.p:.4f}; it must be below {MAX_P_VALUE})"
    ]


def _worse_splits(ours: pd.DataFrame, theirs: pd.DataFrame) -> list[str]:
    """The splits on which the cross-entropy is shown to be higher, where there are several."""
    if ours["split"].nunique() == 1:
        return []
    reasons = []
    for split in _JUDGED:
        rows = ours["split"] == split
        if rows.sum() < _MIN_ROWS:
            continue
        difference = paired_cross_entropy(
            ours["label"][rows].to_numpy(),
            *(frame[_PROBABILITIES][rows].to_numpy() for frame in (ours, theirs)),
        )
        if difference.low > 0:
            reasons.append(
                f"its cross-entropy on {rows.sum()} {split} headlines is "
                f"{difference.difference:+.3f} ({difference.low:+.3f} to {difference.high:+.3f}) "
                "higher than the champion's"
            )
    return reasons


def _macro_f1_loss(
    splits: str, comparison: Comparison, ours: dict[str, float], theirs: dict[str, float]
) -> list[str]:
    loss = -comparison.macro_f1.difference
    if loss <= MAX_MACRO_F1_LOSS:
        return []
    return [
        f"its {splits} macro-F1 of {ours['macro_f1']:.3f} is {loss:.3f} lower than the champion's "
        f"{theirs['macro_f1']:.3f} (at most {MAX_MACRO_F1_LOSS} is allowed)"
    ]


def _class_losses(comparison: Comparison) -> list[str]:
    return [
        f"its F1 of the class {name} is {-difference:.3f} lower than the champion's (at most "
        f"{MAX_CLASS_F1_LOSS} is allowed)"
        for name, difference in comparison.classes.items()
        if difference < -MAX_CLASS_F1_LOSS
    ]


def _behaviour_regressions(challenger: Artifact, champion: Artifact) -> list[str]:
    ours, theirs = _checks(challenger), _checks(champion) or {}
    if ours is None:
        return ["its behaviour was not checked"]
    failed = [
        f"{name} ({check['share']:.3f})"
        for name, check in ours.items()
        if not check["passed"] and not _is_no_worse(check, theirs.get(name))
    ]
    if not failed:
        return []
    names = ", ".join(failed)
    return [f"it fails behaviour checks that the champion passes or is better at: {names}"]


def _is_no_worse(check: dict[str, Any], champion_check: dict[str, Any] | None) -> bool:
    """Whether the champion fails a behaviour check too and is no better at it.

    There is no tolerance: a little at every promotion would add up.
    """
    if champion_check is None or champion_check["passed"]:
        return False
    return bool(check["share"] >= champion_check["share"])


def _checks(evaluation: Artifact) -> dict[str, dict[str, Any]] | None:
    path = evaluation.directory / "behaviour.json"
    if not path.is_file():
        return None
    checks = json.loads(path.read_text(encoding="utf-8"))["checks"]
    return {check["name"]: check for check in checks}
