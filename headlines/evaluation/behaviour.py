"""Behaviour checks: how a model reacts to changes of a headline whose effect is known.

After Ribeiro et al., "Beyond Accuracy: Behavioral Testing of NLP Models with CheckList" (ACL 2020).
An invariance check makes a change that does not matter, and the label must stay. A direction check
adds words with a clear tone, and the probability of their class must rise. Neither needs the right
label, so they measure what a test set does not.

The floors say what a user needs and were set before any model was measured. By rule, a model below
a floor becomes champion only if the champion is below it too and no better.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from headlines.labels import LABELS

Classify = Callable[
    [Sequence[str], npt.NDArray[np.intp]], tuple[npt.NDArray[np.float32], npt.NDArray[np.int8]]
]
"""Maps changed titles, and the index of each original, to probabilities and labels.

Titles and indices have shape (titles,), the results (titles, classes) and (titles,). The index says
which article belongs to a title: articles are not changed.
"""

KnownShare = Callable[[str], float]
"""Gives the share of the words of a text that the model knows."""

# One headline in twenty may change its label with punctuation or character width. Each of them is a
# mistake on one of the two forms, and more would matter next to the mistakes on dev.
_INVARIANCE_FLOOR = 0.95
# The name of a source consists of words, which may tip a headline that was in doubt.
_SOURCE_FLOOR = 0.90
# Headlines that clearly say the opposite may withstand the added words.
_DIRECTION_FLOOR = 0.80

_MAX_PROBABILITY = 0.9  # of the class that must rise: above this there is no room left
_MIN_ROWS = 30  # with fewer, shares of 0.95 and 0.8 cannot be distinguished
_EXAMPLES = 3

_POSITIVE = ("获奖", "夺冠", "获国家科技奖", "喜获丰收", "取得圆满成功")
_NEGATIVE = ("车祸身亡", "遇难", "被判刑", "爆炸致多人死亡", "涉嫌诈骗被抓", "火灾致人受伤")

_TO_FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
_TO_HALF_WIDTH = {full: half for half, full in _TO_FULL_WIDTH.items()}


@dataclass(frozen=True)
class BehaviourCheck:
    """One way to change headlines, and how a model must react.

    Attributes:
        name: unique, for people.
        expectation: what must happen, in one sentence.
        change: returns the changed headline, or the same where the change does not apply.
        floor: the minimum share of headlines that must behave.
        raised_label: id of the class whose probability must rise; None where the label must stay.
        added_words: the words added to raise it. All checks whose words are unknown to a model
            measure the same thing: its reaction to an unknown word.
    """

    name: str
    expectation: str
    change: Callable[[str], str]
    floor: float
    raised_label: int | None = None
    added_words: str = ""


def _add_mark(mark: str, title: str) -> str:
    """Append `mark` unless the title ends with punctuation."""
    return title + mark if title[-1:].isalnum() else title


def _quote(title: str) -> str:
    return f"“{title}”" if not set(title) & set("“”") else title


def _append(suffix: str, title: str) -> str:
    return title + suffix if suffix not in title else title


def _direction(label: int, phrase: str) -> BehaviourCheck:
    return BehaviourCheck(
        f"adding {phrase}",
        f"The words {phrase} at the end raise the probability of {LABELS[label]}.",
        partial(_append, f" {phrase}"),
        _DIRECTION_FLOOR,
        label,
        phrase,
    )


def _invariance(
    name: str, change: Callable[[str], str], floor: float = _INVARIANCE_FLOOR
) -> BehaviourCheck:
    return BehaviourCheck(name, f"The label stays with {name}.", change, floor)


CHECKS = (
    _invariance("a full stop 。 at the end", partial(_add_mark, "。")),
    _invariance("an exclamation mark ！ at the end", partial(_add_mark, "！")),
    _invariance("quotation marks “ ” around it", _quote),
    _invariance("doubled spaces", lambda title: title.replace(" ", "  ")),
    _invariance("ASCII in full-width form", lambda title: title.translate(_TO_FULL_WIDTH)),
    _invariance("full-width forms as ASCII", lambda title: title.translate(_TO_HALF_WIDTH)),
    *(
        _invariance(f"the source {suffix} at the end", partial(_append, suffix), _SOURCE_FLOOR)
        for suffix in ("_搜狐网", "_网易新闻", "-新华网")
    ),
    *(_direction(LABELS.index("positive"), phrase) for phrase in _POSITIVE),
    *(_direction(LABELS.index("negative"), phrase) for phrase in _NEGATIVE),
)


def check_behaviour(
    titles: Sequence[str],
    classify: Classify,
    known: KnownShare,
    checks: Sequence[BehaviourCheck] = CHECKS,
) -> dict[str, Any]:
    """Run the checks on a model, as plain data.

    Args:
        titles: headlines, not segmented.
        classify: the model.
        known: share of a text's words that the model knows.
        checks: the checks to run.

    Returns:
        `passed` (whether no check failed) and `checks`, each with `name`, `kind` (`invariance` or
        `direction`), `what` (the expectation), `floor`, `known` (share of the added words that the
        model knows; None for invariance), `rows` (headlines it applies to), `share` (of those that
        behave; None without rows), `mean_change` (of the probability of the raised class, or of the
        label before), `judged` (whether there are enough rows), `passed` (the share reaches the
        floor, or is not judged) and `examples` (up to 3 that do not behave, the worst change first:
        `title`, `changed`, the probability `before` and `after`, `label_before`, `label_after`).
    """
    before = classify(titles, np.arange(len(titles)))
    results = [_run_check(check, titles, before, classify, known) for check in checks]
    return {"checks": results, "passed": all(result["passed"] for result in results)}


def _run_check(
    check: BehaviourCheck,
    titles: Sequence[str],
    before: tuple[npt.NDArray[np.float32], npt.NDArray[np.int8]],
    classify: Classify,
    known: KnownShare,
) -> dict[str, Any]:
    invariance = check.raised_label is None
    probabilities, labels = before
    watched = labels if invariance else np.full_like(labels, check.raised_label)
    p_before = np.take_along_axis(probabilities, watched[:, None], axis=1)[:, 0]
    changed = [check.change(title) for title in titles]
    applies = np.array([new != old for new, old in zip(changed, titles, strict=True)], dtype=bool)
    if not invariance:
        applies &= p_before <= _MAX_PROBABILITY
    [rows] = np.nonzero(applies)
    result = {
        "name": check.name,
        "kind": "invariance" if invariance else "direction",
        "what": check.expectation,
        "floor": check.floor,
        "known": None if invariance else known(check.added_words),
        "rows": len(rows),
    }
    if not len(rows):
        not_judged = {"share": None, "mean_change": None, "judged": False}
        return {**result, **not_judged, "passed": True, "examples": []}

    new_probabilities, new_labels = classify([changed[row] for row in rows], rows)
    labels, watched, p_before = labels[rows], watched[rows], p_before[rows]
    p_after = np.take_along_axis(new_probabilities, watched[:, None], axis=1)[:, 0]
    behaves = new_labels == labels if invariance else p_after > p_before
    share, judged = float(behaves.mean()), len(rows) >= _MIN_ROWS
    [failed] = np.nonzero(~behaves)
    worst = failed[np.argsort((p_after - p_before)[failed], kind="stable")][:_EXAMPLES]
    return {
        **result,
        "share": share,
        "mean_change": float((p_after - p_before).mean(dtype=np.float64)),
        "judged": judged,
        "passed": share >= check.floor or not judged,
        "examples": [
            {
                "title": titles[rows[index]],
                "changed": changed[rows[index]],
                "before": float(p_before[index]),
                "after": float(p_after[index]),
                "label_before": LABELS[labels[index]],
                "label_after": LABELS[new_labels[index]],
            }
            for index in worst
        ],
    }
