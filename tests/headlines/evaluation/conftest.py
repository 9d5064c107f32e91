"""Evaluations with given predictions."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from headlines.labels import LABELS
from headlines.models import registry
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import Recipe

ROWS = 300
FLOOR = 0.8  # of a behaviour check
TRUTH = np.repeat(np.arange(3), ROWS // 3)
Ids = npt.NDArray[np.int64]


def wrong_on(share: float, seed: int = 0, truth: Ids = TRUTH) -> Ids:
    """Predictions that are wrong on a share of each class; larger shares include smaller ones."""
    order = np.random.default_rng(seed).permutation(len(truth) // 3)
    wrong = np.tile(order < round(share * len(order)), 3)
    return np.where(wrong, (truth + 1) % 3, truth)


@pytest.fixture
def publish_evaluation(
    root: DataRoot, publish_model: Callable[..., Artifact]
) -> Callable[..., Artifact]:
    """Publishes an evaluation with these predictions; every tenth title is leaked.

    Each prediction has the same `confidence`, or dev has `probabilities`, and no leaked titles.
    Without `reviewed` there is no such split.
    """

    def evaluate(
        version: str,
        dev: Ids,
        test: Ids = TRUTH,
        truth: Ids = TRUTH,
        titles: str = "第{}号",
        behaves: float | None = 0.9,
        confidence: float = 0.8,
        probabilities: npt.NDArray[np.float32] | None = None,
        reviewed: Ids | None = None,
    ) -> Artifact:
        model = publish_model(root, version, seed=len(registry.versions(root)))

        def write(draft: Path) -> dict[str, Any]:
            splits = [
                pd.DataFrame(
                    {
                        "split": split,
                        "row": np.arange(len(predicted)),
                        "title": [titles.format(row) for row in range(len(predicted))],
                        "label": truth[: len(predicted)].astype(np.int8),
                        "prediction": predicted.astype(np.int8),
                        **{
                            f"p_{name}": np.where(
                                predicted == label, confidence, (1 - confidence) / 2
                            )
                            for label, name in enumerate(LABELS)
                        },
                        "leaked": np.arange(len(predicted)) % 10 == 0,
                    }
                )
                for split, predicted in (("dev", dev), ("test", test), ("reviewed", reviewed))
                if predicted is not None
            ]
            if probabilities is not None:
                splits[0][[f"p_{name}" for name in LABELS]] = probabilities
                splits[0]["leaked"] = False
            frame = pd.concat(splits).sample(frac=1, random_state=len(version))  # in any order
            frame.to_parquet(draft / "output_check.parquet", index=False)
            if behaves is None:
                return {}
            checks = [
                {"name": "full stop", "share": 0.99, "passed": True},
                {"name": "获奖", "share": behaves, "passed": behaves >= FLOOR},
            ]
            text = json.dumps({"checks": checks, "passed": behaves >= FLOOR})
            (draft / "behaviour.json").write_text(text, encoding="utf-8")
            return {"behaviour_passed": behaves >= FLOOR}

        recipe = Recipe("evaluation", 1, (model.as_source(),), {})
        return root.store.publish(root.evaluation(version, recipe.key), recipe, write)

    return evaluate
