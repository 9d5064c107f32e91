"""Behaviour checks: what a model does to a headline that is changed in a way with a known effect.

After Ribeiro et al., "Beyond Accuracy: Behavioral Testing of NLP Models with CheckList" (ACL 2020).
An invariance check changes what no reader would heed, and the label has to stay. A direction check
adds words that any reader would agree on, and the probability of their class has to rise. Neither
needs to know the right label, so neither asks what a test set asks.

The floors say what a user needs and were set before any model was measured. A model that stays
below one becomes champion by rule only where the champion stays below it too and is no better.
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
"""Gives probabilities, shape (titles, classes), and labels, shape (titles,).

It is told of each title whose it is, as a place among all, shape (titles,): the article stays.
"""

Known = Callable[[str], float]
"""Gives the share of the words of a text that the model knows."""

# One headline in twenty may change its label with its punctuation or its width: each of them is a
# mistake on one of two forms of a headline, and more would weigh beside the mistakes on dev.
_INVARIANCE_FLOOR = 0.95
# A source's name is words, and words may move a headline that was in doubt.
_SOURCE_FLOOR = 0.90
# Headlines that say the opposite already may hold against the added words.
_DIRECTION_FLOOR = 0.80

_SURE = 0.9  # a headline that is of a class with more than this has no way left to move
_LEAST_ROWS = 30  # with fewer, a share of 0.95 cannot be told from one of 0.8
_EXAMPLES = 3

_TO_FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
_TO_HALF_WIDTH = {full: half for half, full in _TO_FULL_WIDTH.items()}


@dataclass(frozen=True)
class Check:
    """One way to change headlines, and what a model has to do then.

    Attributes:
        name: for people; no two checks have the same.
        what: what is expected, in one sentence.
        change: gives the changed headline, or the same where the change does not apply to it.
        floor: the least share of headlines that have to behave.
        raises: id of the class whose probability has to rise; None where the label has to stay.
        words: that the change adds to raise it. A model that knows none of them answers to a word
            that it does not know, whichever it is, and all such checks are one.
    """

    name: str
    what: str
    change: Callable[[str], str]
    floor: float
    raises: int | None = None
    words: str = ""


def _ended(mark: str, title: str) -> str:
    """With `mark` at the end, if the title ends without punctuation."""
    return title + mark if title[-1:].isalnum() else title


def _quoted(title: str) -> str:
    return f"“{title}”" if not set(title) & set("“”") else title


def _followed_by(suffix: str, title: str) -> str:
    return title + suffix if suffix not in title else title


def _direction(label: int, phrase: str) -> Check:
    return Check(
        f"adding {phrase}",
        f"The words {phrase} at the end raise the probability of {LABELS[label]}.",
        partial(_followed_by, f" {phrase}"),
        _DIRECTION_FLOOR,
        label,
        phrase,
    )


def _invariance(name: str, change: Callable[[str], str], floor: float) -> Check:
    return Check(name, f"The label stays with {name}.", change, floor)


CHECKS = (
    _invariance("a full stop 。 at the end", partial(_ended, "。"), _INVARIANCE_FLOOR),
    _invariance("an exclamation mark ！ at the end", partial(_ended, "！"), _INVARIANCE_FLOOR),
    _invariance("quotation marks “ ” around it", _quoted, _INVARIANCE_FLOOR),
    _invariance("doubled spaces", lambda title: title.replace(" ", "  "), _INVARIANCE_FLOOR),
    _invariance(
        "ASCII in full-width form", lambda title: title.translate(_TO_FULL_WIDTH), _INVARIANCE_FLOOR
    ),
    _invariance(
        "full-width forms as ASCII",
        lambda title: title.translate(_TO_HALF_WIDTH),
        _INVARIANCE_FLOOR,
    ),
    *(
        _invariance(f"the source {suffix} at the end", partial(_followed_by, suffix), _SOURCE_FLOOR)
        for suffix in ("_搜狐网", "_网易新闻", "-新华网")
    ),
    *(
        _direction(LABELS.index("positive"), phrase)
        for phrase in ("获奖", "夺冠", "获国家科技奖", "喜获丰收", "取得圆满成功")
    ),
    *(
        _direction(LABELS.index("negative"), phrase)
        for phrase in (
            "车祸身亡",
            "遇难",
            "被判刑",
            "爆炸致多人死亡",
            "涉嫌诈骗被抓",
            "火灾致人受伤",
        )
    ),
)


def behaviour(
    titles: Sequence[str], classify: Classify, known: Known, checks: Sequence[Check] = CHECKS
) -> dict[str, Any]:
    """How a model behaves on headlines that are changed, as plain data.

    Args:
        titles: headlines as they stand, not segmented.
        classify: the model.
        known: what it knows.
        checks: what is looked at.

    Returns:
        `passed` (whether no check failed) and `checks`, each with `name`, `kind` (`invariance` or
        `direction`), `what`, `floor`, `known` (share of the added words that the model knows; None
        where the label has to stay), `rows` (headlines it applies to), `share` (of them that
        behave; None for no rows), `mean_change` (of the probability of the class that has to rise,
        or of the label before), `judged` (whether the rows are enough), `passed` (the share is not
        below the floor, or not judged) and `examples` (up to 3 that do not behave, the largest
        change for the worse first: `title`, `changed`, that probability `before` and `after`, and
        `label_before` and `label_after`).
    """
    before = classify(titles, np.arange(len(titles)))
    outcomes = [_outcome(check, titles, before, classify, known) for check in checks]
    return {"checks": outcomes, "passed": all(outcome["passed"] for outcome in outcomes)}


def _outcome(
    check: Check,
    titles: Sequence[str],
    before: tuple[npt.NDArray[np.float32], npt.NDArray[np.int8]],
    classify: Classify,
    known: Known,
) -> dict[str, Any]:
    probabilities, labels = before
    followed = labels if check.raises is None else np.full_like(labels, check.raises)
    p_before = np.take_along_axis(probabilities, followed[:, None], axis=1)[:, 0]
    changed = [check.change(title) for title in titles]
    applies = np.array([new != old for new, old in zip(changed, titles, strict=True)], dtype=bool)
    if check.raises is not None:
        applies &= p_before <= _SURE
    [rows] = np.nonzero(applies)
    outcome = {
        "name": check.name,
        "kind": "invariance" if check.raises is None else "direction",
        "what": check.what,
        "floor": check.floor,
        "known": None if check.raises is None else known(check.words),
        "rows": len(rows),
    }
    if not len(rows):
        nothing = {"share": None, "mean_change": None, "judged": False}
        return {**outcome, **nothing, "passed": True, "examples": []}

    new_probabilities, new_labels = classify([changed[row] for row in rows], rows)
    labels, followed, p_before = labels[rows], followed[rows], p_before[rows]
    p_after = np.take_along_axis(new_probabilities, followed[:, None], axis=1)[:, 0]
    behaves = new_labels == labels if check.raises is None else p_after > p_before
    share, judged = float(behaves.mean()), len(rows) >= _LEAST_ROWS
    [failed] = np.nonzero(~behaves)
    worst = failed[np.argsort((p_after - p_before)[failed], kind="stable")][:_EXAMPLES]
    return {
        **outcome,
        "share": share,
        "mean_change": float((p_after - p_before).mean(dtype=np.float64)),
        "judged": judged,
        "passed": share >= check.floor or not judged,
        "examples": [
            {
                "title": titles[rows[place]],
                "changed": changed[rows[place]],
                "before": float(p_before[place]),
                "after": float(p_after[place]),
                "label_before": LABELS[labels[place]],
                "label_after": LABELS[new_labels[place]],
            }
            for place in worst
        ],
    }
