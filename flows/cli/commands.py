"""The command `headlines`: each verb runs the flow of the same name, or answers at once.

Prefect and TensorFlow are imported only by the verb that needs them.
"""

import argparse
import contextlib
import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.cli.arguments import build_parser, fail
from flows.cli.output import (
    archive_lines,
    cache_lines,
    corpus_lines,
    doctor_lines,
    evaluation_lines,
    export_lines,
    lineage_lines,
    models_lines,
    night_lines,
    prediction_line,
    pretrained_lines,
    promotion_lines,
    score_lines,
    stream_line,
    sweep_lines,
    tokens_lines,
    train_lines,
)
from flows.environment import configure, use_running_server
from headlines.errors import InputError, RunNeedsAttention

if TYPE_CHECKING:
    from headlines.readers import ReadOptions
    from headlines.scoring.options import ScoreOptions


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit status: 0 done, 1 failed, 2 wrong input."""
    options = build_parser(VERBS).parse_args(arguments)
    try:
        if options.data:
            os.environ["HEADLINES_DATA"] = options.data
        if options.json_logs:
            os.environ["HEADLINES_LOGS"] = "json"
        configure()
        options.verb(options)
    except InputError as error:
        fail(_addressed(str(error)), 2)
    except RunNeedsAttention as failure:
        of_a_night = "report" in failure.result
        _show(options, failure.result, night_lines if of_a_night else score_lines)
        fail(_addressed(str(failure)), 1 if of_a_night else 2)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        fail("interrupted; the next run goes on from what is finished", 130)
    except Exception as error:
        # A flow has logged the traceback already; the last line should still say what happened.
        fail(_addressed(f"{type(error).__name__}: {error}"), 1)


def _reading(options: argparse.Namespace) -> "ReadOptions":
    from headlines.readers import ReadOptions

    return ReadOptions(
        options.encoding,
        options.title_column,
        options.id_column,
        options.long_titles,
        options.content_column,
    )


def _score_options(options: argparse.Namespace) -> "ScoreOptions":
    from headlines.scoring.options import ScoreOptions
    from headlines.segmentation import Segmenter

    return ScoreOptions(_reading(options), options.max_reject_rate, Segmenter.from_environment())


def _show(options: argparse.Namespace, result: Any, lines: Callable[[Any], Sequence[str]]) -> None:
    if options.json:
        print(_addressed(json.dumps(result, ensure_ascii=False, indent=2)))
    else:
        print(_addressed("\n".join(lines(result))))


def _addressed(text: str) -> str:
    """With the address of the data root's bucket, if it is in one, for the path of its mirror.

    But reports are told by their paths here, where a browser opens them.
    """
    from headlines.storage.layout import Catalog

    with contextlib.suppress(InputError):
        catalog = Catalog.from_environment()
        if catalog.address != str(catalog.root):
            pattern = rf'{re.escape(str(catalog.root))}(?![^\s"]*\.html)'
            return re.sub(pattern, lambda _: catalog.address, text)
    return text


# --- verbs that run a flow -----------------------------------------------------------------


def _writable_root() -> None:
    """Find out about a wrong data root before Prefect is started on it."""
    from headlines.storage.layout import Catalog

    Catalog.from_environment().require_writable()


def _ingest(options: argparse.Namespace) -> None:
    from headlines.corpus.ingest import check_reserved_name
    from headlines.corpus.source_rows import CorpusFiles
    from headlines.storage.layout import validate_name

    name = options.name or Path(options.source).stem
    validate_name(name, "corpus name")
    check_reserved_name(name, options.source)
    CorpusFiles.named(options.source, options.encoding).preflight()
    _writable_root()
    use_running_server()
    from flows.ingest import ingest

    _show(options, ingest(options.source, name, options.encoding), corpus_lines)


def _segment(options: argparse.Namespace) -> None:
    _preflight(options.corpus)
    use_running_server()
    from flows.segment import segment

    _show(options, segment(options.corpus), tokens_lines)


def _pretrain(options: argparse.Namespace) -> None:
    from headlines.models.presets import resolve_preset

    if not resolve_preset(options.preset).pretrained:
        raise InputError(
            f"the preset {options.preset!r} starts from nothing that is learnt beforehand",
            "--preset",
            "train with it at once: `headlines train --preset " + options.preset + "`",
        )
    _preflight(options.corpus)
    use_running_server()
    from flows.pretrain import pretrain

    _show(options, pretrain(options.preset, options.corpus), pretrained_lines)


def _train(options: argparse.Namespace) -> None:
    from headlines.models.presets import resolve_preset

    if options.sweep is not None:
        _sweep(options)
        return
    preset = "default" if options.preset is None else options.preset
    resolve_preset(preset)
    _preflight(options.corpus)
    use_running_server()
    from flows.train import train

    result = train(preset, options.corpus, promote=not options.no_promote)
    _show(options, result, train_lines)


def _sweep(options: argparse.Namespace) -> None:
    from headlines.training.search_space_file import read_space

    _reject_options(options, "preset", reason="the file of --sweep names the preset")
    _reject_options(options, "no-promote", reason="a sweep promotes nothing")
    read_space(options.sweep)
    _preflight(options.corpus)
    use_running_server()
    from flows.sweep import sweep

    result = sweep(options.sweep, options.corpus)
    if result["best"] and options.data:
        result["train"] += " " + shlex.join(["--data", options.data])
    _show(options, result, sweep_lines)
    if result["best"] is None:
        fail("no trial could be trained; the table says why", 1)


def _evaluate(options: argparse.Namespace) -> None:
    from headlines.models import champion
    from headlines.storage.layout import Catalog

    catalog = Catalog.from_environment()
    champion.resolve(catalog, options.model)
    _preflight(options.corpus)
    use_running_server()
    from flows.evaluate import evaluate

    _show(options, evaluate(options.model, options.corpus), evaluation_lines)


def _score(options: argparse.Namespace) -> None:
    from headlines.scoring.batch import resolve_batches
    from headlines.scoring.run_batch import preflight
    from headlines.storage.layout import Catalog
    from headlines.storage.output_file import check_output_path

    if "-" in options.files:
        _score_stream(options)
        return
    _reject_options(options, "format", "rejects", reason="it goes with standard input")
    reading = _reading(options)
    catalog = Catalog.from_environment()
    batches = resolve_batches(
        catalog, [catalog.named(file) for file in options.files], options.batch
    )
    if options.csv is not None:
        if len(batches) > 1:
            raise InputError("it is of one batch, and there are more", "--csv", "name one FILE")
        check_output_path(catalog, Path(options.csv), "--csv")
        if Path(options.csv).resolve() in (file.resolve() for file in batches[0].files):
            raise InputError("it would replace the headlines", "--csv", "name another file")
    for batch in batches:
        preflight(catalog, batch, _score_options(options))
    _writable_root()
    use_running_server()
    from flows.score import score

    result = score(
        options.files,
        options.batch,
        max_reject_rate=options.max_reject_rate,
        rescore=options.rescore,
        release=options.release,
        **asdict(reading),
    )
    if options.csv is not None:
        from headlines.scoring.predictions_csv import write_predictions_csv

        [scored] = result["batches"]
        write_predictions_csv(Path(options.csv), Path(scored["predictions"]), scored["batch"])
        result["csv"] = str(Path(options.csv).absolute())
    _show(options, result, score_lines)


def _score_stream(options: argparse.Namespace) -> None:
    """Score standard input at once, without Prefect."""
    from headlines.scoring.stream import score_stream
    from headlines.storage.layout import Catalog
    from headlines.storage.output_file import check_output_path

    if options.files != ["-"]:
        raise InputError("it stands alone", "-", "score files in a call of their own")
    _reject_options(
        options, "batch", "rescore", "release", "csv", reason="standard input is no batch"
    )
    _reject_options(
        options, "json", reason="predictions of standard input are JSON lines in any case"
    )
    if sys.stdin is None:
        raise InputError("it is closed", "standard input", "give it headlines")
    catalog = Catalog.from_environment()
    if options.rejects is not None:
        check_output_path(catalog, Path(options.rejects), "--rejects")
    counts = score_stream(
        catalog,
        sys.stdin.buffer,
        sys.stdout.buffer,
        sys.stderr.buffer if options.rejects is None else Path(options.rejects),
        options.format or "jsonl",
        _score_options(options),
    )
    print(stream_line(counts), file=sys.stderr)


def _reject_options(options: argparse.Namespace, *names: str, reason: str) -> None:
    for name in names:
        if getattr(options, name.replace("-", "_")):
            raise InputError(reason, f"--{name}", "leave it away")


def _nightly(options: argparse.Namespace) -> None:
    from headlines.metrics.drift import DriftThresholds
    from headlines.models.presets import resolve_preset
    from headlines.nightly.day_range import DayRange

    reading = _reading(options)
    DayRange(options.first_day, options.last_day)  # refused at once if they are none
    DriftThresholds(options.drift_warn, options.drift_stop)
    resolve_preset(options.preset)
    _preflight(options.corpus)
    use_running_server()
    from flows.nightly import nightly

    result = nightly(
        options.corpus,
        options.preset,
        max_reject_rate=options.max_reject_rate,
        settle_seconds=options.settle,
        first_day=options.first_day,
        last_day=options.last_day,
        drift_warn=options.drift_warn,
        drift_stop=options.drift_stop,
        **asdict(reading),
    )
    _show(options, result, night_lines)


def _preflight(corpus: str) -> None:
    """Refuse at once what the flow would refuse seconds later."""
    from headlines.corpus.ingest import check_exists
    from headlines.segmentation import Segmenter
    from headlines.storage.layout import Catalog

    _writable_root()
    Segmenter.from_environment()
    check_exists(Catalog.from_environment(), corpus)


# --- verbs that answer at once -------------------------------------------------------------


def _predict(options: argparse.Namespace) -> None:
    from headlines.labels import LABELS
    from headlines.scoring.predict import classify

    contents = None
    if options.content is not None:
        if len(options.titles) > 1:
            raise InputError(
                "one article belongs to one headline",
                "--content",
                "give one headline, or score a file with a column content",
            )
        contents = [options.content]
    labelled = classify(options.titles, options.model, contents)
    predictions = [
        {
            "title": title,
            "label": int(label),
            "label_name": LABELS[label],
            "probability": float(row[label]),
            **{f"p_{name}": float(value) for name, value in zip(LABELS, row, strict=True)},
        }
        for title, row, label in zip(options.titles, *labelled, strict=True)
    ]
    _show(options, predictions, lambda rows: [prediction_line(row) for row in rows])


def _export(options: argparse.Namespace) -> None:
    from headlines.models.export import export
    from headlines.storage.layout import Catalog

    directory = Path(options.directory)
    result = export(options.model, options.format, directory, Catalog.from_environment())
    _show(options, result, export_lines)


def _archive(options: argparse.Namespace) -> None:
    from headlines.nightly.archive import archive
    from headlines.storage.layout import Catalog

    _writable_root()
    archived = archive(Catalog.from_environment(), options.older_than, options.dry_run)
    _show(options, asdict(archived), archive_lines)


def _cache(options: argparse.Namespace) -> None:
    from headlines.corpus import token_cache
    from headlines.storage.layout import Catalog

    catalog = Catalog.from_environment()
    if options.prune is not None:
        token_cache.prune(catalog, options.prune)
    rows = [{**asdict(one), "days": one.days} for one in token_cache.cache_stats(catalog)]
    _show(options, rows, cache_lines)


def _models(options: argparse.Namespace) -> None:
    from headlines.evaluation.leaderboard import list_models
    from headlines.models import champion, registry
    from headlines.storage.layout import Catalog

    catalog = Catalog.from_environment()
    _show(options, [asdict(model) for model in list_models(catalog)], models_lines)
    if not registry.is_empty(catalog):
        champion.open_champion(catalog)  # what is wrong with the champion is told below the list


def _promote(options: argparse.Namespace) -> None:
    if (options.version is None) is not options.rollback:
        raise InputError("either a VERSION or --rollback is wanted", "promote", "name one of them")
    if options.rollback:
        _reject_options(options, "force", reason="it goes with a VERSION")
    from headlines.evaluation.promotion import promote_by_force, promote_by_rule
    from headlines.models import champion
    from headlines.storage.layout import Catalog

    catalog = Catalog.from_environment()
    if options.rollback:
        step = champion.rollback(catalog)
        _show(options, asdict(step), lambda step: [f"{step['version']} is the champion again"])
        return
    if options.force:
        verdict = promote_by_force(catalog, options.version)
    else:
        verdict = promote_by_rule(catalog, options.version, options.corpus)
    _show(options, verdict.to_dict(), promotion_lines)
    if not verdict.promoted:
        raise InputError(
            f"it is not promoted: {'; '.join(verdict.reasons)}",
            options.version,
            f"the champion is still {verdict.champion}; --force promotes it all the same",
        )


def _lineage(options: argparse.Namespace) -> None:
    from headlines.storage.layout import Catalog
    from headlines.storage.lineage import lineage

    catalog = Catalog.from_environment()
    links = [asdict(link) for link in lineage(catalog, catalog.named(options.path))]
    _show(options, links, lineage_lines)
    broken = [link for link in links if link["problem"]]
    if broken:
        fail(f"{broken[0]['path']}: {broken[0]['problem']}", 1)


def _doctor(options: argparse.Namespace) -> None:
    from operations import service
    from operations.doctor import check_setup
    from operations.instance import PrefectInstance

    server_checks = service.status(PrefectInstance.from_environment())
    checks = [asdict(check) for check in (*check_setup(), *server_checks)]
    _show(options, checks, doctor_lines)
    if not all(check["good"] for check in checks):
        sys.exit(1)


def _up(options: argparse.Namespace) -> None:
    from operations import service
    from operations.instance import PrefectInstance

    _show(options, service.up(PrefectInstance.from_environment()), list)


def _down(options: argparse.Namespace) -> None:
    from operations import service
    from operations.instance import PrefectInstance

    _show(options, service.down(PrefectInstance.from_environment()), list)


def _status(options: argparse.Namespace) -> None:
    from operations import service
    from operations.instance import PrefectInstance

    checks = [asdict(check) for check in service.status(PrefectInstance.from_environment())]
    _show(options, checks, doctor_lines)
    if len(checks) == 1 or not all(check["good"] for check in checks):
        sys.exit(1)


def _alerts(options: argparse.Namespace) -> None:
    from operations import service
    from operations.instance import PrefectInstance

    instance = PrefectInstance.from_environment()
    block = service.alerts(instance, options.block, off=options.off)
    _show(options, {"alerts": block}, lambda _: [f"alerts: {block or 'off'}"])


VERBS = {
    "ingest": _ingest,
    "segment": _segment,
    "pretrain": _pretrain,
    "train": _train,
    "evaluate": _evaluate,
    "score": _score,
    "nightly": _nightly,
    "predict": _predict,
    "export": _export,
    "archive": _archive,
    "models": _models,
    "promote": _promote,
    "lineage": _lineage,
    "cache": _cache,
    "doctor": _doctor,
    "up": _up,
    "down": _down,
    "status": _status,
    "alerts": _alerts,
}
