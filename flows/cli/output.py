"""Results as lines of text for people; `--json` prints the same results whole."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headlines.readers.row_warnings import warning_lines
from headlines.storage.data_root import DataRoot

Result = dict[str, Any]

_MAX_BATCHES = 20  # shown, and as many skipped files; the report has all
_MAX_LEFT_OUT = 10  # files and columns named
_MAX_PREDICTIONS = 5  # shown of one batch


def _artifact_line(what: str, result: Result) -> str:
    state = "up to date" if result["reused"] else f"built in {result['seconds']:.1f} s"
    return f"{what}: {_relative_path(result['artifact'])} ({state})"


def corpus_lines(result: Result) -> list[str]:
    """A corpus: its rows by split and label."""
    counts = result["counts"]
    lines = [
        _artifact_line("corpus", result),
        f"rows: {counts['rows_in']} in, {counts['rows']} kept, {counts['rejected']} rejected",
    ]
    lines += [f"  rejected: {rows} × {reason}" for reason, rows in counts["reasons"].items()]
    for kind in ("files", "columns"):
        if names := counts.get(f"{kind}_left_out"):  # corpora ingested before have none
            more = f" and {len(names) - _MAX_LEFT_OUT} more" if len(names) > _MAX_LEFT_OUT else ""
            lines.append(f"  {kind} left out: {', '.join(names[:_MAX_LEFT_OUT])}{more}")
    lines += [f"  warning: {line}" for line in warning_lines(counts.get("warnings", {}))]
    for split, numbers in counts["splits"].items():
        labels = ", ".join(f"{name} {rows}" for name, rows in numbers["labels"].items())
        if "soft_labels" in numbers:
            labels += f"; {numbers['soft_labels']} with a soft label, {numbers['weights']} weighted"
        lines.append(
            f"{split}: {numbers['rows']} rows ({labels}), {numbers['duplicates']} duplicates, "
            f"{numbers['label_conflicts']} with two labels, {numbers['leaked']} leaked"
        )
    return lines


def tokens_lines(result: Result) -> list[str]:
    """A token cache: how much was segmented."""
    counts = result["counts"]
    segmented = 0 if result["reused"] else counts["segmented"]
    return [
        _artifact_line("tokens", result),
        f"headlines segmented: {segmented} of {counts['segmented'] + counts['reused']}",
    ]


def pretrained_lines(result: Result) -> list[str]:
    """Pretrained vectors of each view, with the sizes of vocabulary and texts."""
    lines = []
    for view, vectors in result.items():
        counts = vectors["counts"]
        lines += [
            _artifact_line(f"vectors of {view}", vectors),
            f"{view}: {counts['vocabulary']:,} in {counts['texts']:,} texts",
        ]
    return lines


def cache_lines(rows: Sequence[Result]) -> list[str]:
    """The contents of the token cache, a line a segmenter."""
    from headlines.segmentation import describe

    lines = [
        f"{row['name']}  {row['rows']:>9,} headlines  {row['bytes'] / 2**20:>7.1f} MiB  "
        f"{row['days']:>4} days  {describe(row['segmenter'])}"
        for row in rows
    ]
    return lines or ["the token cache is empty; `headlines segment` fills it"]


def model_lines(result: Result) -> list[str]:
    """A model: its size and its figures on dev."""
    counts = result["counts"]
    return [
        _artifact_line("model", result),
        f"{counts['parameters']:,} parameters, vocabulary {counts['vocabulary']:,}, "
        f"epoch {counts['best_epoch']} of {counts['epochs']}",
        f"dev: accuracy {counts['dev']['accuracy']:.3f}, macro-F1 {counts['dev']['macro_f1']:.3f}",
    ]


def evaluation_lines(result: Result) -> list[str]:
    """An evaluation: its figures and its report."""
    return [
        _artifact_line("evaluation", result),
        *_figure_lines(result["counts"]["metrics"]),
        _baseline_line(result["counts"]),
        _behaviour_line(result["counts"]),
        f"report: {_relative_path(result['report'])}",
    ]


def fold_lines(result: Result) -> list[str]:
    """The metrics of a preset on folds, and where suspected label errors are."""
    counts = result["counts"]
    by_fold = [
        f"fold {number}: {_in_figures(fold)}" for number, fold in enumerate(counts["folds"], 1)
    ]
    return [
        _artifact_line("folds", result),
        *by_fold,
        f"{result['preset']}, all folds: {_in_figures(counts)}",
        f"{counts['doubted']} labels of train may be wrong: {result['doubted']}",
    ]


def _in_figures(counts: Result) -> str:
    return (
        f"accuracy {counts['accuracy']:.3f}, macro-F1 {counts['macro_f1']:.3f}, "
        f"cross-entropy {counts['cross_entropy']:.3f}, {counts['rows']} headlines"
    )


def _baseline_line(counts: Result) -> str:
    start = "baseline (TF-IDF + logistic regression):"
    if counts["baseline_why_not"]:
        return f"{start} not measured: {counts['baseline_why_not']}"
    if counts["baseline_beaten"] is None:
        return f"{start} no headlines of dev to compare on"
    outcome = "the LSTM beats it" if counts["baseline_beaten"] else "the LSTM does not beat it"
    return (
        f"{start} dev macro-F1 {counts['baseline_macro_f1']:.3f}, "
        f"cross-entropy {counts['baseline_cross_entropy']:.3f}; {outcome}"
    )


def _behaviour_line(counts: Result) -> str:
    checks, failed = counts["behaviour_checks"], counts["behaviour_failed"]
    if not checks:
        return "behaviour: skipped: too few headlines"
    line = f"behaviour: {checks - len(failed)} of {checks} checks passed"
    if unknown := len(set(counts.get("behaviour_unknown", ())) - set(failed)):
        line += f", {unknown} of them with words unknown to the model"
    return f"{line}; failed: {', '.join(failed)}" if failed else line


def _figure_lines(metrics: Result) -> list[str]:
    lines = []
    for split, parts in metrics.items():
        for part, numbers in parts.items():
            if numbers["rows"]:
                lines.append(
                    f"{split}, {part.replace('_', ' ')}: accuracy {_figure(numbers, 'accuracy')}, "
                    f"macro-F1 {_figure(numbers, 'macro_f1')}, "
                    f"positive recall {numbers['positive_recall']:.3f}, {numbers['rows']} headlines"
                )
    return lines


def _figure(numbers: Result, name: str) -> str:
    """A figure, with its interval where it has one."""
    if "intervals" not in numbers:
        return f"{numbers[name]:.3f}"
    low, high = numbers["intervals"][name]
    return f"{numbers[name]:.3f} ({low:.3f}–{high:.3f})"


def score_lines(root: DataRoot, result: Result) -> list[str]:
    """Batches that were scored, with a few predictions each."""
    lines = [f"model: {result['model']}", *_batch_lines(root, result["batches"])]
    return [*lines, f"csv: {_relative_path(result['csv'])}"] if "csv" in result else lines


def stream_lines(counts: Result) -> list[str]:
    """A stream that was scored."""
    warnings = [f"headlines: warning: {line}" for line in warning_lines(counts["warnings"])]
    return [*warnings, f"headlines: {_rows(counts)}"]


def _batch_lines(root: DataRoot, batches: Sequence[Result]) -> list[str]:
    lines = []
    for batch in batches[:_MAX_BATCHES]:
        if not batch["rows_in"]:
            lines.append(f"{batch['batch']}: {batch['outcome']}: {batch['message']}")
            continue
        state = " (up to date)" if batch["outcome"] == "reused" else ""
        lines.append(f"{batch['batch']}: {_rows(batch)}{state}")
        lines += [f"  warning: {warning}" for warning in warning_lines(batch["warnings"])]
        lines.append(f"  predictions: {_relative_path(batch['predictions'])}")
    if len(batches) > _MAX_BATCHES:
        lines.append(f"… and {len(batches) - _MAX_BATCHES} more batches")
    if scored := next((batch["batch"] for batch in batches if batch["rows_in"]), None):
        lines += [f"  {prediction_line(row)}" for row in _first_predictions(root, scored)]
    return lines


def _first_predictions(root: DataRoot, batch: str) -> Sequence[Result]:
    from headlines.nightly.samples import first_predictions

    predictions = root.store.open(root.predictions_of(batch), ["part-00000.parquet"])
    return first_predictions(predictions.directory, _MAX_PREDICTIONS) if predictions else []


def _rows(counts: Result) -> str:
    rows = "row" if counts["rows_in"] == 1 else "rows"
    line = (
        f"{counts['rows_in']} {rows} in, {counts['scored']} scored, {counts['rejected']} rejected"
    )
    if counts["without_content"]:
        line += f", {counts['without_content']} labelled without an article"
    return line


def _relative_path(path: str) -> str:
    """The path relative to the working directory, if it is below it."""
    inside = Path(path).is_relative_to(Path.cwd())
    return str(Path(path).relative_to(Path.cwd())) if inside else path


def night_lines(root: DataRoot, result: Result) -> list[str]:
    """A night: model, figures, batches, report."""
    skipped = [f"skipped {name}: {reason}" for name, reason in result["skipped"].items()]
    if len(skipped) > _MAX_BATCHES:
        skipped[_MAX_BATCHES:] = [f"… and {len(skipped) - _MAX_BATCHES} more files skipped"]
    return [
        "",
        f"model: {result['model']}",
        *_figure_lines(result["figures"]),
        f"evaluation: {_relative_path(result['evaluation'])}",
        *(_inbox_lines(root, result) or [f"no batches in {_relative_path(result['inbox'])}"]),
        *skipped,
        *_drift_lines(result),
        *_reviewed_lines(result),
        f"report: {_relative_path(result['report'])}",
        f"all reports: {_relative_path(root.location(root.overview))}",
    ]


def _drift_lines(result: Result) -> list[str]:
    from headlines.metrics.drift import MIN_ROWS, DriftFinding

    rows, findings = result["profile"]["rows"], [DriftFinding(**one) for one in result["drift"]]
    levels = {finding.level for finding in findings}
    if rows and "no reference" in levels:
        return ["drift: skipped: the corpus has no labelled headlines of dev to compare with"]
    if rows and "too few rows" in levels:
        return [f"drift: skipped: too few headlines ({rows}, at least {MIN_ROWS} needed)"]
    return [str(finding) for finding in findings if finding.level in ("warn", "stop")]


def _reviewed_lines(result: Result) -> list[str]:
    from headlines.review.accuracy import LowerFigure, ReviewedAccuracy

    if not (reviewed := result.get("reviewed")):
        return []
    worse = (LowerFigure(**figure) for figure in result["worse_than_evaluated"])
    warnings = [f"  warning: {figure}" for figure in worse]
    return [f"reviewed: {ReviewedAccuracy(**reviewed)}", *warnings]


def _inbox_lines(root: DataRoot, result: Result) -> list[str]:
    lines = _batch_lines(root, result["batches"])
    if result["reused"]:
        lines.append(f"up to date: {_batches(result['reused'])}")
    left_out = [f"{number} {why}" for why, number in result["left_out"].items() if number]
    if left_out:
        lines.append(f"left out: {', '.join(left_out)}")
    return lines


def _batches(number: int) -> str:
    return f"{number} batch" if number == 1 else f"{number} batches"


def archive_lines(result: Result) -> list[str]:
    """What was moved to the archive, and how many batches stay in the inbox."""
    done = "would be moved" if result["dry_run"] else "moved"
    lines = [
        name if archived_as == name else f"{name} as {archived_as}"
        for name, archived_as in result["moved"].items()
    ]
    lines.append(
        f"{_batches(len(result['moved']))} {done} to {_relative_path(result['directory'])}"
    )
    kept = ", ".join(f"{number} {why}" for why, number in result["kept"].items())
    return [*lines, f"left in the inbox: {kept}"] if kept else lines


def prediction_line(row: Result) -> str:
    """One prediction."""
    from headlines.labels import LABELS, LABELS_ZH

    chinese = LABELS_ZH[LABELS.index(row["label_name"])]
    return f"{row['label_name']:<8} {chinese}  {row['probability']:.3f}  {row['title']}"


def review_lines(result: Result) -> list[str]:
    """A review: how its headlines were chosen, and what to do next."""
    drawn = result["drawn"]
    kinds = {"lot": "drawn by lot", "unsure": "unsure", "disagreement": "labelled differently"}
    counted = ", ".join(f"{drawn[kind]} {words}" for kind, words in kinds.items() if kind in drawn)
    sheet = _relative_path(result["sheet"])
    lines = [
        f"review {result['review']}: {result['headlines']} of {result['from']:,} headlines, "
        f"{counted}",
        f"sheet: {sheet}",
        "fill in the column label (positive, neutral, negative; 正面, 中性, 负面; 0, 1, 2), then:",
        f"  headlines label {shlex.quote(sheet)}",
    ]
    if result["known"]:
        lines.insert(1, f"with the label of an earlier review: {result['known']}")
    return lines


def label_lines(result: Result) -> list[str]:
    """The labels of a review: how many rows of each person count, and how far people agree."""
    lines = [
        f"labels of {result['review']}: {result['labelled']} of {result['asked']} headlines, "
        f"{result['labelled_by_lot']} of {result['asked_by_lot']} drawn by lot",
    ]
    for person, counts in result["people"].items():
        rejected = counts["rejected"]
        lines.append(
            f"{person}: {counts['rows_in']} rows, {counts['labelled']} labelled, "
            f"{counts['unlabelled']} empty, {len(rejected)} not accepted"
        )
        lines += [f"  row {row['row']}: {row['reason']}" for row in rejected]
    return lines + _agreement_lines(result)


def _agreement_lines(result: Result) -> list[str]:
    agreement = result["agreement"]
    if not agreement["headlines"]:
        return []
    kappa = agreement["kappa"]
    measured = f"not measured: {agreement['why_not']}" if kappa is None else f"{kappa:.3f}"
    line = (
        f"agreement: Cohen's kappa {measured}; {agreement['disputed']} of "
        f"{agreement['headlines']} headlines labelled by several people differ"
    )
    if result["without_majority"]:
        line += f", {result['without_majority']} of them without a majority"
    return [line, *(f"disagreements: {_relative_path(path)}" for path in result["disagreements"])]


def export_lines(result: Result) -> list[str]:
    """An export, and how closely it agrees with the model."""
    return [
        f"export: {_relative_path(result['directory'])} ({result['format']} of {result['model']})",
        f"checked on {result['checked']} headlines: probabilities differ from the model's by "
        f"{result['largest_difference']:.1g} at most",
    ]


def train_lines(result: Result) -> list[str]:
    """A training: the model, its evaluation, and whether it became the champion."""
    return [
        *model_lines(result),
        *evaluation_lines(result["evaluation"]),
        *(promotion_lines(result["promotion"]) if result["promotion"] else []),
    ]


def promotion_lines(decision: Result) -> list[str]:
    """Whether a model became the champion, and if not, why."""
    if decision["promoted"]:
        return [f"{decision['version']} is the champion: {decision['summary']}"]
    reasons = [f"  {reason}" for reason in decision["reasons"]]
    return [f"{decision['version']} is not promoted; {decision['summary']}", *reasons]


def models_lines(rows: Sequence[Result]) -> list[str]:
    """All models, the champion marked: figures with intervals, and what each was made from."""
    lines = [line for row in rows for line in _listed_model_lines(row)]
    return lines or ["no models yet; `headlines train` makes one"]


def _listed_model_lines(row: Result) -> list[str]:
    start = f"{'*' if row['champion'] else ' '} {row['version']}"
    if row["damaged"]:
        return [f"{start}  CORRUPT: {row['damaged']}"]
    lines = [f"{start}  {row['preset']}, {row['created_at'][:16]}, {row['bytes'] / 2**20:.1f} MiB"]
    lines += [
        f"    {split:<4}  accuracy {_figure(figures, 'accuracy')}, "
        f"macro-F1 {_figure(figures, 'macro_f1')}"
        for split in ("dev", "test")
        if (figures := row[split]) and figures["rows"]
    ]
    if not row["evaluation"]:
        lines.append(f"    not evaluated: `headlines evaluate --model {row['version']}`")
    elif row["behaviour_passed"] is not None:
        lines.append(f"    {_behaviour_line(row)}")
    if corpus := row["corpus"]:
        tokens = row["tokens"]["digest"][:8]
        lines.append(f"    from corpus {corpus['name']} {corpus['digest'][:8]}, tokens {tokens}")
    return lines


def lineage_lines(links: Sequence[Result]) -> list[str]:
    """What an artifact was made from, indented by distance."""
    return [
        f"{'  ' * link['depth']}{link['what']} {link['path']} {link['digest'][:16]}"
        + (f"  ({link['note']})" if link["note"] else "")
        + (f"  !! {link['problem']}" if link["problem"] else "")
        for link in links
    ]


def doctor_lines(checks: Sequence[Result]) -> list[str]:
    """The checks of a setup, and problems with it."""
    return [
        f"{'ok  ' if check['good'] else 'WRONG'} {check['name']}: {check['message']}"
        for check in checks
    ]


def sweep_lines(result: Result) -> list[str]:
    """The trials, best first, and how to train with the best."""
    rows = result["trials"]
    seeds = "seed" if result["seeds"] == 1 else "seeds"
    measured = f"{result['folds']} folds of train" if result["folds"] else "dev"
    lines = [
        f"sweep: {result['artifact']}",
        f"{len(rows)} trials, {result['seeds']} {seeds} each, on {measured} without leaked titles:",
        *_table(rows),
    ]
    if result["best"] is None:
        return lines
    return [*lines, f"best preset: {result['best']}", f"train with it: {result['train']}"]


def _table(rows: Sequence[Result]) -> list[str]:
    from headlines.training.trial import METRICS, MeanStd

    fields = list(rows[0]["values"])
    cells = [["trial", "macro-F1", "accuracy", *fields, "seconds", ""]]
    for row in rows:
        figures = [str(MeanStd(**row[name])) if row[name] else "–" for name in METRICS]
        values = [_setting(row["values"][name]) for name in fields]
        seconds = f"{row['seconds']:.0f}"
        cells.append([str(row["trial"]), *figures, *values, seconds, row["problem"]])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(
            [cell.rjust(width) for cell, width in zip(row[:-1], widths, strict=False)] + row[-1:]
        ).rstrip()
        for row in cells
    ]


def _setting(value: Any) -> str:
    """A value as it is written in the file of a search space."""
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)
