"""How a night is called in reports: by its time, which names its files."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime


def night_time(title: str) -> str:
    """The time in a report's name in readable form; any other name unchanged."""
    try:
        return f"{datetime.strptime(title, '%Y-%m-%dT%H%M%SZ'):%Y-%m-%d %H:%M}"
    except ValueError:
        return title


def short_names(titles: Sequence[str]) -> list[str]:
    """Month and day of each night, with as much of the time as makes it unique."""
    forms: list[Callable[[str], str]] = [
        lambda title: title[5:10],
        lambda title: f"{title[5:10]} {title[11:13]}h",
        lambda title: f"{title[5:10]} {title[11:13]}:{title[13:15]}",
        lambda title: f"{title[5:10]} {title[11:13]}:{title[13:15]}:{title[15:17]}",
    ]
    names: dict[str, str] = {}
    for form in reversed(forms):  # the shortest unique form, else the longest
        shown = Counter(map(form, titles))
        names |= {
            title: form(title) for title in titles if title not in names or shown[form(title)] == 1
        }
    return [names[title] for title in titles]
