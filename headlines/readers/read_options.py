"""How files of headlines are to be read, chosen once for a batch."""

from dataclasses import dataclass

from headlines.errors import InputError

LONG_TITLES = ("reject", "cut")
_CONTENT = "content"


@dataclass(frozen=True)
class ReadOptions:
    """How files of headlines are to be read.

    Attributes:
        encoding: of text files; a byte order mark of UTF-8 is taken off.
        title_column: name of the column, or key, of the headlines.
        id_column: name of the column of the batch's own identities, which a file need not have.
        long_titles: what becomes of a title longer than `headlines.readers.titles.MAX_TITLE`
            characters: `reject` the row, or `cut` the title.
        content_column: name of the column of the articles, which a file need not have: it passes
            through as others do, and a model that reads articles finds them there. If the titles or
            the ids have the name `content`, there are no articles but in a column that is named.

    Raises:
        InputError: two columns are one, a name is empty, or there is no such choice.
    """

    encoding: str = "utf-8"
    title_column: str = "title"
    id_column: str = "id"
    long_titles: str = "reject"
    content_column: str = _CONTENT

    def __post_init__(self) -> None:
        if self.long_titles not in LONG_TITLES:
            raise InputError(
                f"titles that are too long cannot be treated by {self.long_titles!r}",
                "--long-titles",
                f"use one of {', '.join(LONG_TITLES)}",
            )
        if not self.title_column or self.title_column == self.id_column:
            raise InputError(
                f"the column {self.title_column!r} cannot be that of the titles",
                "--title-column",
                "name a column, and another one than --id-column",
            )
        taken = (self.title_column, self.id_column)
        if not self.content_column or (
            self.content_column in taken and self.content_column != _CONTENT
        ):
            raise InputError(
                f"the column {self.content_column!r} cannot be that of the articles",
                "--content-column",
                "name a column, and another one than --title-column and --id-column",
            )
