"""The result of one check of the setup or of the running server."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from headlines.errors import InputError


@dataclass(frozen=True)
class Check:
    """The result of one check.

    Attributes:
        name: what was checked.
        good: whether it is in order.
        message: what was found and, if it is not in order, how to fix it.
    """

    name: str
    good: bool
    message: str


def run_checks(checks: Mapping[str, Callable[[], str]]) -> list[Check]:
    """Run checks by name; each returns its message, or raises what is wrong.

    `InputError` and `OSError` are results of a check; anything else is raised.
    """
    results = []
    for name, check in checks.items():
        try:
            results.append(Check(name, True, check()))
        except (InputError, OSError) as error:
            results.append(Check(name, False, str(error)))
    return results
