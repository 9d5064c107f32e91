"""Ranks the trials of a sweep and publishes the table with the best preset."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from headlines.models.presets import preset_json
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import Recipe
from headlines.storage.stages import STAGES
from headlines.training.search_space import SearchSpace
from headlines.training.trial import TrialResult

BEST = "best.json"


def ranked(results: Sequence[TrialResult]) -> list[TrialResult]:
    """The best first: by mean macro-F1, then by number; failed ones last."""

    def rank(result: TrialResult) -> tuple[bool, float, int]:
        macro_f1 = result.mean_std("macro_f1")
        return macro_f1 is None, -(macro_f1.mean if macro_f1 else 0.0), result.trial.number

    return sorted(results, key=rank)


def publish_ranking(root: DataRoot, space: SearchSpace, results: Sequence[TrialResult]) -> Artifact:
    """Publish the table of a sweep, and the best preset as a file.

    The counts have the number of `trials`, of `failed` ones, and `best`: the name of the preset
    file in the artifact, None if all trials failed.
    """
    ranking = ranked(results)
    recipe = Recipe(
        "sweep",
        STAGES["sweep"].version,
        tuple(training.as_source() for result in ranking for training in result.trainings),
        {
            "preset": space.preset.to_dict(),
            "seeds": space.seeds,
            "trials": [asdict(result.trial) for result in ranking],
            **({"folds": space.folds} if space.folds else {}),
        },
    )

    def write_table(draft: Path) -> dict[str, Any]:
        rows = [result.to_dict() for result in ranking]
        text = json.dumps(rows, ensure_ascii=False, indent=2) + "\n"
        (draft / "trials.json").write_text(text, encoding="utf-8")
        best = None if ranking[0].problem else ranking[0].trial.preset
        if best:
            (draft / BEST).write_text(preset_json(best), encoding="utf-8")
        failed = sum(1 for result in ranking if result.problem)
        return {"trials": len(rows), "failed": failed, "best": BEST if best else None}

    return root.store.publish(root.sweep(recipe.key), recipe, write_table)
