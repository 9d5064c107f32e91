"""What the tests of this room share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from headlines.corpus.ingest import ingest
from headlines.segmentation import Segmenter
from headlines.storage.artifact import Artifact, publish
from headlines.storage.layout import Catalog
from headlines.storage.manifest import Input, Recipe

from .report_fixtures import (  # noqa: F401  # fixtures
    evaluate_on,
    evaluated,
    night_of,
    publish_predictions,
)

# The same examples on every run, and none fails for being slow.
settings.register_profile("headlines", deadline=None, derandomize=True)
settings.load_profile("headlines")


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """A data root of one test."""
    return Catalog(tmp_path / "data")


@pytest.fixture(scope="session")
def inews_catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """A data root with the iNews corpus; tests only read it."""
    catalog = Catalog(tmp_path_factory.mktemp("inews") / "data")
    ingest(catalog, "inews", "inews")
    return catalog


@pytest.fixture(scope="session")
def inews_corpus(inews_catalog: Catalog) -> Artifact:
    """The iNews corpus in `inews_catalog`."""
    return ingest(inews_catalog, "inews", "inews")


@pytest.fixture
def publish_model() -> Callable[..., Artifact]:
    """Publishes a small classifier with random weights as a model."""

    def publish_random(
        catalog: Catalog,
        version: str,
        sources: tuple[Input, ...] = (),
        seed: int = 0,
        segmenter: Segmenter = Segmenter(),  # it cannot be changed  # noqa: B008
    ) -> Artifact:
        import dataclasses

        from lstm_model.architecture import weight_shapes
        from lstm_model.bundle import Bundle, write_bundle
        from lstm_model.presets import PRESETS
        from lstm_model.vocabulary import Vocabulary

        preset = dataclasses.replace(PRESETS["fast"], embedding_size=6, units=5)
        words = [["股市", "大涨", "下跌", "地震", "伤亡", "夺冠", "天气"]]
        vocabulary = Vocabulary.build(words, preset.rules)
        rng = np.random.default_rng(seed)
        weights = {
            name: rng.standard_normal(shape, np.float32)
            for name, shape in weight_shapes(preset, len(vocabulary)).items()
        }

        def write(draft: Path) -> dict[str, Any]:
            history = [{"epoch": 1, "loss": 1.0}]
            write_bundle(draft, Bundle(preset, [vocabulary], weights, history, best_epoch=1))
            return {
                "epochs": 1,
                "best_epoch": 1,
                "parameters": sum(weight.size for weight in weights.values()),
                "vocabulary": len(vocabulary),
                "dev": {"rows": 0, "accuracy": None, "macro_f1": None},
            }

        config = {
            "seed": seed,
            "preset": preset.to_dict(),
            "segmenter": segmenter.fingerprint(),
        }
        recipe = Recipe("model", 1, sources, config)
        return publish(catalog, catalog.model(version), recipe, write)

    return publish_random
