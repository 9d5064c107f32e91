"""How the files of a batch are read."""

from dataclasses import dataclass

from headlines.errors import InputError

LONG_TITLES = ("reject", "cut")
_CONTENT = "content"


@dataclass(frozen=True)
class ReadOptions:
    """How the files of a batch are read.

    Attributes:
        encoding: of text files; a UTF-8 byte order mark is removed.
        title_column: the column, or JSON key, of the headlines.
        id_column: the optional column of the batch's own ids.
        long_titles: for a title longer than `headlines.readers.titles.MAX_TITLE` characters:
            `reject` the row, or `cut` the title.
        content_column: the optional column of the articles, for models that read them; it is kept
            like any other column. With the default and titles or ids in a column `content`, there
            are no articles.

    Raises:
        InputError: two names are the same, a name is empty, or `long_titles` is unknown.
    """

    encoding: str = "utf-8"
    title_column: str = "title"
    id_column: str = "id"
    long_titles: str = "reject"
    content_column: str = _CONTENT

    def __post_init__(self) -> None:
        if self.long_titles not in LONG_TITLES:
            raise InputError(
                f"unknown choice {self.long_titles!r}",
                "--long-titles",
                f"use one of {', '.join(LONG_TITLES)}",
            )
        if not self.title_column or self.title_column == self.id_column:
            raise InputError(
                f"the column of titles cannot be {self.title_column!r}",
                "--title-column",
                "give a column name, different from --id-column",
            )
        taken = (self.title_column, self.id_column)
        if not self.content_column or (
            self.content_column in taken and self.content_column != _CONTENT
        ):
            raise InputError(
                f"the column of articles cannot be {self.content_column!r}",
                "--content-column",
                "give a column name, different from --title-column and --id-column",
            )
