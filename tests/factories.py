"""Makes models with random weights, small corpora and batches for all tests."""

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from headlines.labels import LABELS
from headlines.readers import ReadOptions
from headlines.readers.titles import record_id
from headlines.review.ask import ask
from headlines.review.selection import ReviewSize
from headlines.review.take_labels import take_labels
from headlines.scoring.score_chunks import PREDICTION_SCHEMA
from headlines.segmentation import Segmenter
from headlines.storage.artifact import Artifact
from headlines.storage.data_root import DataRoot
from headlines.storage.day_range import DayRange
from headlines.storage.manifest import Input, Recipe
from lstm_model.architecture import IDF, weight_shapes
from lstm_model.bundle import Bundle, write_bundle
from lstm_model.inputs import char_bigrams
from lstm_model.presets import PRESETS, Preset
from lstm_model.vocabulary import UNKNOWN, Vocabulary

# Words of headlines by label id. In the corpora they give the label away.
LABEL_WORDS = (("获奖", "丰收", "喜讯"), ("公告", "天气", "路线"), ("车祸", "火灾", "受伤"))
WORDS = ("股市", "大涨", "下跌", "地震", "伤亡", "夺冠", "天气", "晴", "北京", "公司")
HISTORY = ({"epoch": 1, "loss": 1.0},)


def small_preset(base: str = "fast", **fields: Any) -> Preset:
    """A preset with a tiny network; any field can be given."""
    return replace(PRESETS[base], **{"embedding_size": 6, "units": 5, **fields})


def quick_preset() -> Preset:
    """The preset `small`, which is the default one but trains in a second."""
    return small_preset(
        "default", name="small", min_count=1, embedding_size=8, units=4, epochs=3, batch_size=8,
        patience=None, pretrained=False, decay=False, readers=1, pairs=None, contents=None,
        adversarial=0.0,
    )  # fmt: skip


def random_bundle(
    preset: Preset,
    words: Sequence[str] = WORDS,
    *,
    seed: int = 0,
    scale: float = 1.0,
    history: Iterable[Mapping[str, Any]] = HISTORY,
    best_epoch: int = 1,
) -> Bundle:
    """A classifier with random weights.

    Args:
        preset: its network.
        words: of its vocabulary.
        seed: decides the weights.
        scale: standard deviation of the weights.
        history: the epochs of a training.
        best_epoch: the epoch with the kept weights.
    """
    texts = [list(words)]
    vocabularies = [Vocabulary.build(texts, preset.rules)]
    if preset.pairs:
        vocabularies.append(Vocabulary.build(char_bigrams(texts, preset.rules), "verbatim"))
    if preset.contents:
        vocabularies.append(Vocabulary.build(texts, preset.rules))
    rng = np.random.default_rng(seed)
    weights = {
        name: rng.standard_normal(shape, np.float32) * np.float32(scale)
        for name, shape in weight_shapes(preset, *map(len, vocabularies)).items()
    }
    if preset.contents:
        weights[IDF] = np.abs(weights[IDF])
        weights[IDF][: UNKNOWN + 1] = 0
    return Bundle(preset, vocabularies, weights, [dict(epoch) for epoch in history], best_epoch)


def publish_model(
    root: DataRoot,
    version: str,
    sources: tuple[Input, ...] = (),
    seed: int = 0,
    segmenter: Segmenter | None = None,
    bundle: Bundle | None = None,
    counts: Mapping[str, Any] | None = None,
    versions: Mapping[str, str] | None = None,
) -> Artifact:
    """Publish a model with random weights.

    Args:
        root: the data root.
        version: name of the model.
        sources: what it says it was trained on.
        seed: decides the weights and the key.
        segmenter: that it says it was trained with; the default one if None.
        bundle: its classifier; a small random one if None.
        counts: of its manifest, instead of the true ones.
        versions: of libraries, in its manifest.
    """
    bundle = bundle or random_bundle(small_preset(), seed=seed)

    def write(draft: Path) -> dict[str, Any]:
        write_bundle(draft, bundle)
        return {
            "epochs": len(bundle.history),
            "best_epoch": bundle.best_epoch,
            "parameters": sum(weight.size for weight in bundle.weights.values()),
            "vocabulary": len(bundle.vocabulary),
            "dev": {"rows": 0, "accuracy": None, "macro_f1": None},
            **(counts or {}),
        }

    config = {
        "seed": seed,
        "preset": bundle.preset.to_dict(),
        "segmenter": (segmenter or Segmenter()).fingerprint(),
    }
    recipe = Recipe("model", 1, sources, config)
    return root.store.publish(root.model(version), recipe, write, versions=versions)


def write_corpus(
    path: Path,
    rows: int = 90,
    *,
    cycle: Sequence[str] = ("train", "train", "train", "dev", "test"),
    splits: Sequence[str] = ("train", "dev", "test"),
) -> Path:
    """Write a labelled corpus as CSV; the words of a headline give its label away.

    Args:
        path: of the file.
        rows: how many headlines, including those that are left out.
        cycle: splits of consecutive groups of three headlines, one of each label.
        splits: rows of other splits are left out.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["title", "label", "split"])
        for number in range(rows):
            label = number % 3
            word = LABEL_WORDS[label][number % 9 // 3]
            if (split := cycle[number // 3 % len(cycle)]) in splits:
                writer.writerow([f"某地{word}第{number}号", label, split])
    return path


def publish_predictions(
    root: DataRoot,
    batch: str,
    titles: Sequence[str],
    probabilities: Sequence[Sequence[float]],
    model: str = "2026-11-01-abcdef01",
) -> Artifact:
    """Publish predictions of a batch as if a model had scored it.

    Args:
        root: the data root.
        batch: its name.
        titles: of the headlines.
        probabilities: of the classes for each title.
        model: the version that predicted.
    """
    scored = np.array(probabilities, np.float32).reshape(len(titles), len(LABELS))
    labels = scored.argmax(axis=1)
    columns = {
        "row": range(len(titles)),
        "record_id": [record_id(title) for title in titles],
        "id": [None] * len(titles),
        "title": titles,
        "label": labels,
        "label_name": [LABELS[label] for label in labels],
        "probability": scored.max(axis=1),
        **{f"p_{name}": scored[:, label] for label, name in enumerate(LABELS)},
        "model": [model] * len(titles),
        "extra": [None] * len(titles),
    }

    def write(draft: Path) -> dict[str, Any]:
        pq.write_table(pa.table(columns, PREDICTION_SCHEMA), draft / "part-00000.parquet")
        return {"model": model}

    recipe = Recipe("predictions", 1, (), {"batch": batch, "titles": list(titles)})
    return root.store.publish(root.predictions_of(batch), recipe, write)


def make_labels(
    root: DataRoot, review: str, size: ReviewSize, label_of: Callable[[str], str]
) -> Artifact:
    """Review all predictions, and label each headline as a function of its title says."""
    ask(root, review, [], DayRange(), size, lambda _: None)
    path = root.store.directory / root.review_sheet(review)
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows({**row, "label": label_of(row["title"])} for row in rows)
    return take_labels(root, [path], ReadOptions())


def write_batch(path: Path, titles: Iterable[str]) -> Path:
    """Write headlines as a CSV batch with ids and one extra column."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "title", "source"])
        writer.writerows([f"n-{number}", title, "搜狐"] for number, title in enumerate(titles))
    return path
