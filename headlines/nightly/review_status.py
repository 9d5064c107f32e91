"""The accuracy on reviewed headlines, in one line for `headlines status`."""

from headlines.errors import InputError
from headlines.evaluation.leaderboard import known_evaluations
from headlines.models import champion, registry
from headlines.nightly.night import worse_than_evaluated
from headlines.review.accuracy import reviewed_accuracy
from headlines.storage.data_root import DataRoot


def review_status(root: DataRoot) -> str:
    """The accuracy on reviewed headlines of the last weeks, or how to get one.

    Raises:
        InputError: it is below that of the champion's evaluation; or the labels are damaged.
    """
    promotions = champion.history(root)
    version = promotions[-1].version if promotions else ""
    reviewed = reviewed_accuracy(root, version)
    if reviewed is None:
        return "no headlines in the last weeks (`headlines review` asks people about some)"
    if reviewed.models == (version,):
        evaluation = next(iter(known_evaluations(root, registry.open_model(root, version))), None)
        if evaluation and (
            warnings := worse_than_evaluated(reviewed, version, evaluation.manifest)
        ):
            raise InputError(
                "; ".join(map(str, warnings)),
                root.location(root.labels),
                "train on more labels: `headlines train --corpus inews+labels`",
            )
        return str(reviewed)
    return f"{reviewed}, predicted by {', '.join(reviewed.models)}"
