"""Trains a model on a corpus and publishes it as a version."""

import dataclasses
import json
import shutil
from collections.abc import Callable, Sequence
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from headlines import champion, registry
from headlines.artifact import Artifact, publish
from headlines.catalog import Catalog
from headlines.contents import content_words, missing
from headlines.corpus import read_corpus
from headlines.drafts import locked
from headlines.errors import InputError
from headlines.labels import LABELS
from headlines.manifest import Recipe
from headlines.metrics import figures
from headlines.preset_files import ENDING, read_preset
from headlines.pretraining import read_vectors
from headlines.reliability import reliability
from headlines.reports.training import write_training_report
from headlines.stages import STAGES
from headlines.tokens import read_tokens, segmenter_of
from lstm_model.presets import PRESETS, Preset

if TYPE_CHECKING:
    from lstm_model.examples import Examples
    from lstm_model.packed import PackedScorer
    from lstm_model.training import EpochReport


def preset_named(name: str) -> Preset:
    """The preset of that name, or that of a preset file.

    Args:
        name: one of `PRESETS`; anything else that ends in `.json` is the path of a file.

    Raises:
        InputError: there is none, or the file cannot be used.
    """
    if name in PRESETS:
        return PRESETS[name]
    if name.endswith(ENDING):
        return read_preset(name)
    raise InputError(
        f"there is no preset {name!r}",
        "--preset",
        f"use one of {', '.join(PRESETS)}, or the path of a preset file ({ENDING})",
    )


def train(
    catalog: Catalog,
    corpus: Artifact,
    tokens: Artifact,
    preset: Preset,
    on_epoch: "Callable[[EpochReport], None] | None" = None,
    pretrained: Sequence[Artifact] = (),
) -> Artifact:
    """Train a model, or reuse the one that this corpus and preset gave before.

    The temperature of its probabilities is fitted on dev after the training; no label changes by
    it. Training that was killed goes on after its last finished epoch and ends with the weights of
    an undisturbed run. The first model of a data root becomes its champion.

    Args:
        catalog: the data root.
        corpus: what to learn.
        tokens: its words.
        preset: the network and its training.
        on_epoch: called after every epoch.
        pretrained: what `pretraining.pretrain` gave; nothing exactly where the preset starts from
            nothing.

    Raises:
        InputError: the corpus has no labelled training rows, or the model is there and damaged.
    """
    recipe = Recipe(
        "model",
        STAGES["model"].version,
        tuple(artifact.as_source(catalog) for artifact in (corpus, tokens, *pretrained)),
        {"preset": preset.to_dict(), "segmenter": tokens.manifest.config["segmenter"]},
    )
    checkpoints = catalog.work / f"training-{recipe.key[:16]}"
    versions = {name: installed_version(name) for name in ("tensorflow", "keras", "numpy", "jieba")}

    def write_bundle(draft: Path) -> dict[str, Any]:
        import lstm_model.training
        from lstm_model.bundle import write_bundle
        from lstm_model.calibration import Calibration, log_probabilities
        from lstm_model.packed import PackedScorer

        # Before the training: it may not be there.
        dev = examples(corpus, tokens, "dev", preset)
        trained = lstm_model.training.train(
            preset,
            examples(corpus, tokens, "train", preset, keep_leaked=preset.keep_leaked_titles),
            None if preset.validation_split else dev,
            checkpoints,
            on_epoch,
            read_vectors(pretrained),
        )
        uncalibrated = PackedScorer(trained).predict(dev.token_lists, dev.articles)
        calibration = Calibration.fitted(log_probabilities(uncalibrated), dev.labels)
        write_bundle(draft, dataclasses.replace(trained, calibration=calibration))
        metrics = {"dev": _figures_on_dev(PackedScorer.load(draft), dev)}
        text = json.dumps(metrics, ensure_ascii=False, indent=2) + "\n"
        (draft / "metrics.json").write_text(text, encoding="utf-8")
        counts = {
            "epochs": len(trained.history),
            "best_epoch": trained.best_epoch,
            "parameters": sum(weight.size for weight in trained.weights.values()),
            "vocabulary": len(trained.vocabulary),
        }
        write_training_report(
            draft / "report.html", recipe, corpus, trained.history, metrics["dev"], counts, versions
        )
        return {
            **counts,
            "dev": {name: metrics["dev"][name] for name in ("rows", "accuracy", "macro_f1")},
        }

    # One training of a recipe at a time: a second run waits and takes the first one's model.
    with locked(catalog, checkpoints.name):
        artifact = registry.model_of_key(catalog, recipe.key)
        if artifact is None:
            champion.announce_first(catalog)
            target = catalog.model(registry.version_of(recipe.key))
            artifact = publish(catalog, target, recipe, write_bundle, versions=versions)
        champion.complete_first(catalog)
        shutil.rmtree(checkpoints, ignore_errors=True)
    return artifact


def _figures_on_dev(scorer: "PackedScorer", dev: "Examples") -> dict[str, Any]:
    """Figures with the calibration error before and after the temperature, which is fitted here."""
    probabilities = scorer.predict(dev.token_lists, dev.articles)
    predicted = scorer.labels(probabilities)
    before = scorer.calibration.at_temperature_1(probabilities)
    return {
        **figures(dev.labels, predicted),
        "ece_before": reliability(before, dev.labels, predicted)["ece"],
        "ece": reliability(probabilities, dev.labels, predicted)["ece"],
        "temperature": scorer.calibration.temperature,
    }


def examples(
    corpus: Artifact, tokens: Artifact, split: str, preset: Preset, *, keep_leaked: bool = True
) -> "Examples":
    """The labelled headlines of one split, as words and label ids, in the order of the corpus.

    Args:
        corpus: gives the labels and the flags, and the contents.
        tokens: gives the words.
        split: `train`, `dev` or `test`.
        preset: says whether contents are read.
        keep_leaked: whether rows whose text also stands on the other side are among them.

    Raises:
        InputError: there are none, or contents are to be read and none of them has one, or they
            would be cut into other words than the titles were.
    """
    from lstm_model.examples import Examples

    columns = ["row", "record_id", "split", "label", "leaked"]
    rows = read_corpus(corpus, [*columns, *(["content"] if preset.contents else [])])
    rows = rows[(rows["split"] == split) & rows["label"].notna()]
    if not keep_leaked:
        rows = rows[~rows["leaked"]]
    words = read_tokens(tokens, split)
    joined = rows.merge(words, on=["row", "record_id"], how="left", validate="one_to_one")
    if joined.empty:
        raise InputError(
            f"the split {split!r} has no labelled headlines",
            str(corpus.directory),
            f"ingest a corpus with labels 0 to {len(LABELS) - 1} in train and dev",
        )
    if joined["tokens"].isna().any():
        raise RuntimeError(f"{tokens.directory} lacks rows of {corpus.directory}")
    return Examples(
        token_lists=[list(row) for row in joined["tokens"]],
        labels=joined["label"].to_numpy(np.int64),
        articles=_contents(corpus, tokens, preset, joined) if preset.contents else None,
    )


def _contents(
    corpus: Artifact, tokens: Artifact, preset: Preset, rows: pd.DataFrame
) -> list[list[str]] | None:
    words = content_words(preset, segmenter_of(tokens), rows["content"])
    if missing(words) == len(rows):
        raise InputError(
            f"the preset {preset.name!r} reads contents, and no headline of "
            f"{rows['split'].iloc[0]} has one",
            str(corpus.directory),
            "ingest a corpus with a column content, or train a preset that reads titles alone",
        )
    return words
