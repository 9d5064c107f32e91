"""The report of a training, and its summary."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from headlines.corpus.ingest import ingest
from headlines.metrics.classification import classification_metrics
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import Recipe
from headlines.training.report import training_summary, training_verdict, write_training_report

DEV = {
    **classification_metrics(np.repeat([0, 1, 2], 40), np.tile([0, 1, 2, 2], 30)),
    "ece_before": 0.0531,
    "ece": 0.0347,
    "temperature": 1.189,
}


def test_the_report_of_a_training(evaluated: Any, tmp_path: Path) -> None:
    model = evaluated.model
    manifest = model.manifest
    recipe = Recipe(manifest.stage, manifest.stage_version, manifest.inputs, manifest.config)
    history = json.loads((model.directory / "history.json").read_text("utf-8"))["epochs"]
    pages = []
    for name in ("one.html", "two.html"):
        write_training_report(
            tmp_path / name,
            recipe,
            evaluated.corpus,
            history,
            DEV,
            manifest.counts,
            manifest.versions,
        )
        pages.append((tmp_path / name).read_text("utf-8"))
    assert pages[0] == pages[1]
    page = re.sub(r"\s+", " ", pages[0])
    assert "Preset fast on news" in page
    assert "temperature of 1.19" in page
    assert "from 0.053 to 0.035" in page
    assert page.count('class="chart"') == 3
    assert len(re.findall(r'<td class="number">[123]</td>', page)) == len(history)
    assert manifest.key in page
    assert "soft label" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_the_model_card_counts_soft_labels(evaluated: Any, root: DataRoot, tmp_path: Path) -> None:
    rows = ["title,p_positive,p_neutral,p_negative,split", "好,1,0,0,train", "坏,0,0,1,train"]
    (tmp_path / "taught.csv").write_text("\n".join(rows), encoding="utf-8")
    corpus = ingest(root, "taught", str(tmp_path / "taught.csv"))
    manifest, path = evaluated.model.manifest, tmp_path / "report.html"
    recipe = Recipe(manifest.stage, manifest.stage_version, manifest.inputs, manifest.config)
    history = json.loads((evaluated.model.directory / "history.json").read_text("utf-8"))["epochs"]
    write_training_report(path, recipe, corpus, history, DEV, manifest.counts, manifest.versions)
    assert "<p>2 headlines of train have a soft label" in path.read_text("utf-8")


def test_with_a_validation_split_dev_did_not_choose_the_epoch(
    evaluated: Any, tmp_path: Path
) -> None:
    model = evaluated.model
    manifest = model.manifest
    history = json.loads((model.directory / "history.json").read_text("utf-8"))["epochs"]
    pages = {}
    for split in (None, 0.1):
        preset = manifest.config["preset"] | {"validation_split": split}
        recipe = Recipe(
            manifest.stage,
            manifest.stage_version,
            manifest.inputs,
            {**manifest.config, "preset": preset},
        )
        path = tmp_path / "report.html"
        write_training_report(
            path, recipe, evaluated.corpus, history, DEV, manifest.counts, manifest.versions
        )
        pages[split] = re.sub(r"\s+", " ", path.read_text("utf-8"))
    assert "Dev was used to choose settings, epoch and temperature, so" in pages[None]
    assert "Dev was used to choose settings and temperature, so" in pages[0.1]


def test_the_verdict_has_intervals() -> None:
    found = re.fullmatch(
        r"Macro-F1 on dev (\S+) \((\S+)–(\S+)\), accuracy (\S+) \((\S+)–(\S+)\), "
        r"on 120 headlines\.",
        training_verdict(DEV),
    )
    assert found
    macro, low, high, accuracy, least, most = map(float, found.groups())
    assert low < macro < high
    assert least < accuracy < most
    assert accuracy == round(DEV["accuracy"], 3)


def test_the_summary_agrees_with_the_report(evaluated: Any, tmp_path: Path) -> None:
    from dataclasses import replace

    (tmp_path / "metrics.json").write_text(json.dumps({"dev": DEV}), "utf-8")
    summary = training_summary(replace(evaluated.model, directory=tmp_path))
    assert training_verdict(DEV) in summary
    assert "temperature: 1.19; expected calibration error on dev 0.035, before it 0.053" in summary
    assert "epochs: 3, the weights of epoch 2" in summary
