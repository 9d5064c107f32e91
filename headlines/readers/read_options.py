"""How the files of a batch are read."""

from dataclasses import asdict, dataclass
from typing import Any

from headlines.errors import InputError

LONG_TITLES = ("reject", "cut")
QUOTING = ("csv", "none")
DELIMITERS = {".csv": ",", ".tsv": "\t"}
OPTIONAL = ("delimiter", "quoting")  # options that manifests leave out where they are not used
_ID, _CONTENT = "id", "content"
_DELIMITER_NAMES = {"\\t": "\t", "tab": "\t"}


@dataclass(frozen=True)
class ReadOptions:
    """How the files of a batch are read.

    Attributes:
        encoding: of text files; a UTF-8 byte order mark is removed.
        title_column: the column, or JSON key, of the headlines.
        id_column: the column of the batch's own ids, which must exist if it is given; None for a
            column `id`, if there is one.
        long_titles: for a title longer than `headlines.readers.titles.MAX_TITLE` characters:
            `reject` the row, or `cut` the title.
        content_column: the column of the articles, for models that read them, which must exist if
            it is given; None for a column `content`, if there is one. It is kept like any other
            column. With titles or ids in a column `content`, there are no articles.
        delimiter: between the columns of CSV and TSV, also as `tab`; None for a comma in `.csv`
            and a tab in `.tsv`.
        quoting: of CSV and TSV: `csv`, where a field in quotation marks may hold delimiters and
            line breaks, or `none`, where every character is literal; None for `csv` in `.csv` and
            `none` in `.tsv`.

    Raises:
        InputError: two names are the same, a name is empty, or another value is not possible.
    """

    encoding: str = "utf-8"
    title_column: str = "title"
    id_column: str | None = None
    long_titles: str = "reject"
    content_column: str | None = None
    delimiter: str | None = None
    quoting: str | None = None

    def __post_init__(self) -> None:
        _check_choice("--long-titles", self.long_titles, LONG_TITLES)
        if self.quoting is not None:
            _check_choice("--quoting", self.quoting, QUOTING)
        if self.delimiter is not None:
            delimiter = _DELIMITER_NAMES.get(self.delimiter, self.delimiter)
            if len(delimiter) != 1 or delimiter in '"\r\n ':
                raise InputError(
                    f"the delimiter cannot be {self.delimiter!r}",
                    "--delimiter",
                    "give one character, or `tab`",
                )
            object.__setattr__(self, "delimiter", delimiter)
        if not self.title_column or self.title_column == self.ids_from:
            raise InputError(
                f"the column of titles cannot be {self.title_column!r}",
                "--title-column",
                "give a column name, different from --id-column",
            )
        taken = (self.title_column, self.ids_from)
        if not self.articles_from or (
            self.articles_from in taken and self.articles_from != _CONTENT
        ):
            raise InputError(
                f"the column of articles cannot be {self.articles_from!r}",
                "--content-column",
                "give a column name, different from --title-column and --id-column",
            )

    @property
    def ids_from(self) -> str:
        """The name of the column of ids."""
        return _ID if self.id_column is None else self.id_column

    @property
    def articles_from(self) -> str:
        """The name of the column of articles."""
        return _CONTENT if self.content_column is None else self.content_column

    @property
    def required_columns(self) -> dict[str, str]:
        """Each column that a file must have, with the option that names it."""
        named = {
            self.title_column: "--title-column",
            self.id_column: "--id-column",
            self.content_column: "--content-column",
        }
        return {name: option for name, option in named.items() if name is not None}

    def delimiter_of(self, file_format: str) -> str:
        """What separates the columns of a `.csv` or `.tsv`."""
        return self.delimiter or DELIMITERS[file_format]

    def is_quoted(self, file_format: str) -> bool:
        """Whether fields of a `.csv` or `.tsv` may be in quotation marks."""
        return (self.quoting or ("csv" if file_format == ".csv" else "none")) == "csv"

    def to_config(self) -> dict[str, Any]:
        """The options as they stand in manifests: some only where they are used.

        So a batch that does without them keeps its key.
        """
        config = asdict(self) | {"id_column": self.ids_from, "content_column": self.articles_from}
        return {
            name: value
            for name, value in config.items()
            if name not in OPTIONAL or value is not None
        }


def _check_choice(option: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InputError(f"unknown choice {value!r}", option, f"use one of {', '.join(choices)}")


READ_DEFAULTS = ReadOptions()
