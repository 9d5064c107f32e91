"""The messages of reports in the reader's language, from a catalogue that maps the English ones."""

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True)
class Messages:
    """Translates messages; an instance is named `_`, as is usual with gettext.

    Attributes:
        language: one of `headlines.settings.LANGUAGES`.
    """

    language: str = "en"

    def __call__(self, message: str, **values: object) -> str:
        """The message with its values, which it names as `%(name)s`; `%%` is a percent sign."""
        return self.word(message) % values

    def plural(self, number: int, one: str, many: str, **values: object) -> str:
        """One of two messages; the number is another value of both."""
        return self(one if number == 1 else many, number=number, **values)

    def word(self, text: str) -> str:
        """A text without values; itself where the catalogue does not have it.

        White space in it does not matter, so that templates may wrap their lines.
        """
        return _catalogue(self.language).get(" ".join(text.split()), text)


ENGLISH = Messages()


@cache
def _catalogue(language: str) -> dict[str, str]:
    if language == "en":
        return {}
    file = resources.files("headlines.reports").joinpath("translations", f"{language}.json")
    catalogue: dict[str, str] = json.loads(file.read_text("utf-8"))
    return catalogue
