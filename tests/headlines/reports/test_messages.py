"""Reports in Chinese: the catalogue is complete, and nothing in a page is left in English."""

import ast
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment
from jinja2.ext import extract_from_ast

import headlines
from headlines.evaluation.behaviour import CHECKS
from headlines.labels import LABELS, LABELS_ZH
from headlines.metrics.drift import DriftThresholds
from headlines.nightly.history import NightSummary, save_night
from headlines.nightly.overview import write_overview
from headlines.nightly.report import night_verdict, write_nightly_report
from headlines.readers.titles import TOO_LONG
from headlines.reports.charts import reliability_chart
from headlines.reports.messages import ENGLISH, Messages
from headlines.review.accuracy import ReviewedAccuracy
from headlines.settings import Settings
from headlines.storage.data_root import DataRoot
from headlines.storage.manifest import Recipe
from headlines.training.report import write_training_report
from tests.headlines.training.test_report import DEV

PACKAGE = Path(headlines.__file__).parent
CATALOGUE: dict[str, str] = json.loads(
    (PACKAGE / "reports/translations/zh.json").read_text("utf-8")
)
TEMPLATES = sorted((PACKAGE / "reports/templates").glob("*.html"))
CHINESE = Messages("zh")


def normalised(text: str) -> str:
    return " ".join(text.split())


def of_templates() -> Iterator[str]:
    """The messages of the templates."""
    environment: Any = Environment(extensions=["jinja2.ext.i18n"])
    environment.newstyle_gettext = True  # doubles percent signs
    for template in TEMPLATES:
        tree = environment.parse(template.read_text("utf-8"))
        for _line, _function, message in extract_from_ast(tree):
            # With values, a tuple of the arguments; None stands for one that is no constant.
            text = message[0] if isinstance(message, tuple) else message
            assert text, f"{template.name}: a message that is not a constant"
            yield normalised(text)


def constants(node: ast.AST) -> Iterator[str]:
    for child in ast.walk(node):
        if isinstance(child, ast.Constant) and isinstance(child.value, str):
            yield normalised(child.value)


def of_modules() -> Iterator[str]:
    """The messages of the modules."""
    for module in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("_", "_.plural"):
                for argument in node.args:
                    yield from constants(argument)


def words() -> set[str]:
    """All texts of the modules: those that are looked up as words are among them."""
    texts = {TOO_LONG}
    for module in PACKAGE.rglob("*.py"):
        texts.update(constants(ast.parse(module.read_text("utf-8"))))
    for module in (PACKAGE.parent / "lstm_model").glob("*.py"):
        texts.update(constants(ast.parse(module.read_text("utf-8"))))
    for check in CHECKS:
        texts |= {check.name, check.expectation}
    return texts | {text.replace("_", " ") for text in texts}


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"%\(\w+\)s|%%|<code[^>]*>|<a [^>]*>|&\w+;", text))


def test_every_message_is_in_the_catalogue() -> None:
    messages = {*of_templates(), *of_modules()}
    assert len(messages) > 200
    assert messages - CATALOGUE.keys() == set()


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.name)
def test_templates_have_no_text_but_messages(template: Path) -> None:
    messages = r"{% trans.*?endtrans.*?%}|{{.*?}}|{%.*?%}"
    text = re.sub(f"{messages}|<[^>]*>", " ", template.read_text("utf-8"), flags=re.DOTALL)
    assert set(re.findall("[A-Za-z]{2,}", text)) <= {"Dev", "F1", "champion", "doctype", "kappa"}


def test_the_catalogue_has_nothing_that_is_unused() -> None:
    assert CATALOGUE.keys() - words() - set(of_templates()) == set()


def test_translations_keep_the_placeholders() -> None:
    for english, chinese in CATALOGUE.items():
        assert placeholders(chinese) == placeholders(english), english


def test_a_percent_sign_is_no_placeholder() -> None:
    for english, chinese in CATALOGUE.items():
        if "%(" in english:
            assert "%" not in re.sub(r"%\(\w+\)s|%%", "", chinese), english


def test_classes_are_called_as_everywhere() -> None:
    assert tuple(map(CHINESE.word, LABELS)) == LABELS_ZH


class Texts(HTMLParser):
    """The texts of a page that a reader sees or hears, but those in `code`."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self._hidden = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in ("style", "script", "code")
        self.found |= {value or "" for name, value in attrs if name == "aria-label"}

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("style", "script", "code")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.found.add(normalised(data))


def in_english(page: str) -> set[str]:
    """The texts of a page with a Latin word and nothing Chinese."""
    return {
        text
        for text in Texts(page).found
        if re.search("[A-Za-z]{2}", text) and not re.search("[\u4e00-\u9fff]", text)
    }


@pytest.fixture
def root(tmp_path: Path) -> DataRoot:
    """An empty data root with reports in Chinese."""
    return DataRoot.open(tmp_path / "data", Settings(language="zh"))


def varied(night: NightSummary) -> NightSummary:
    """The night with batches of every outcome, warnings, articles missing and bad reviews."""
    scored = next(batch for batch in night.batches if batch.outcome == "scored")
    scored = replace(
        scored,
        without_content=5,
        warnings={
            "a quoted field holds lines that look like rows: check that its quote is closed": {
                "rows": 1,
                "first": 7,
            }
        },
    )
    outcomes = ("stopped", "waiting", "waiting", "waiting", "waiting", "empty", "settling")
    others = [
        replace(scored, batch=f"{number}.csv", outcome=outcome, predictions="", warnings={})
        for number, outcome in enumerate(outcomes)
    ]
    reviewed = ReviewedAccuracy(200, (night.model, "m2"), 0.7, (0.63, 0.76), 0.6, (0.5, 0.7))
    return replace(
        night,
        batches=[scored, *others],
        left_out={"of other days": 1},
        reviewed=reviewed,
        worse_than_evaluated=reviewed.below(0.8, 0.71),
    )


def test_the_reports_of_nights_are_in_chinese(
    root: DataRoot, night_of: Callable[..., NightSummary]
) -> None:
    night = night_of(limits=DriftThresholds(0.01, 0.05))
    nothing = night_of(rows=0, before=0)
    names = {"dev", "PSI", "champion", "kappa", night.model}
    assert in_english(write_overview(root).read_text("utf-8")) <= names
    for number, shown in enumerate(
        (
            varied(night),
            nothing,
            replace(night, reference=nothing.profile),
            replace(nothing, reused=0, batches=[]),
            replace(night, drift=[replace(found, level="warn") for found in night.drift]),
        )
    ):
        title = f"2026-11-2{number}T183000Z"
        page = write_nightly_report(root, title, shown).read_text("utf-8")
        save_night(root, title, shown)
        assert '<html lang="zh">' in page
        left = {text for text in in_english(page) if not re.fullmatch(r"\S+\.csv", text)}
        from_data = {"：changed 20 s ago", "its ending is .docx"}
        assert left <= names | from_data
        assert in_english(write_overview(root).read_text("utf-8")) <= names


def test_the_reports_of_models_are_in_chinese(evaluated_in_chinese: Any, tmp_path: Path) -> None:
    model, corpus = evaluated_in_chinese.model, evaluated_in_chinese.corpus
    manifest = model.manifest
    preset = manifest.config["preset"] | {"validation_split": 0.1}
    recipe = Recipe(
        manifest.stage,
        manifest.stage_version,
        manifest.inputs,
        {**manifest.config, "preset": preset},
    )
    history = json.loads((model.directory / "history.json").read_text("utf-8"))["epochs"]
    arguments = (recipe, corpus, history, DEV, manifest.counts, manifest.versions, CHINESE)
    write_training_report(tmp_path / "training.html", *arguments)
    names = {"dev", "test", "train", "Dev", "train 10%", "tensorflow 2.21.0", model.version}
    settings = {text.replace("_", " ") for text in preset} | set(map(str, preset.values()))
    files = {"mistakes.csv", "output_check.csv", "doubted.csv"}
    for path in (
        tmp_path / "training.html",
        evaluated_in_chinese.evaluation.directory / "report.html",
    ):
        page = path.read_text("utf-8")
        assert '<html lang="zh">' in page
        assert in_english(page) <= names | settings | files


def test_a_night_in_chinese_in_one_sentence(night_of: Callable[..., NightSummary]) -> None:
    night = night_of(limits=DriftThresholds(0.01))
    assert night_verdict(varied(night), CHINESE) == (
        "2,000 个标题已打分，2 行被拒绝；5 个没有正文，仅凭标题打分；1 个批次被停下；"
        "4 个批次等待检查：1.csv、2.csv、3.csv，另有 1 个；1 个批次没有数据行；"
        "与 dev 相比有漂移：长度；在人工核对的标题上不如评估时准确。"
    )


def test_values_are_escaped_in_chinese_too(
    root: DataRoot, night_of: Callable[..., NightSummary]
) -> None:
    page = write_nightly_report(root, "2026-11-20T183000Z", night_of()).read_text("utf-8")
    assert "<img" not in page
    assert page.count("&lt;img src=x onerror=alert(2)&gt;") == 2  # a message, and a headline


def test_charts_are_in_chinese_and_as_large(night_of: Callable[..., NightSummary]) -> None:
    bins = [{"from": 0.5, "to": 1.0, "rows": 8, "confidence": 0.75, "accuracy": 0.5}]
    english, chinese = (reliability_chart(bins, "dev", _) for _ in (ENGLISH, CHINESE))
    assert ">置信度：预测类别的概率</text>" in chinese
    assert re.findall('viewBox="[^"]*"', chinese) == re.findall('viewBox="[^"]*"', english)
