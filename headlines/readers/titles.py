"""The text of a headline: its record id, what models read of it, and what makes it unusable."""

import hashlib
import re
import string
import unicodedata

MAX_TITLE = 500  # characters; the longest headline of the iNews corpus has 89

# A title with such a character is not blank: ASCII but the space and controls, or common Han.
SURELY_VISIBLE = "[!-~\u4e00-\u9fa5]"

TOO_LONG = f"title is longer than {MAX_TITLE} characters"

_UNDECODABLE = re.compile("[\ud800-\udfff]")

# Marks that do not show: Unicode's Default_Ignorable_Code_Point, with controls that are no white
# space, interlinear annotations and the blank Braille pattern. Not the rest of category Cf, such as
# Arabic number signs, which do show.
_MARKS = (
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b\u200c\u200e\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0d\ufeff\uffa0"
    "\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
# In a sequence of emoji a joiner (family), a selector (colour) and tags (flag) do change what
# shows. Only symbols that NFKC leaves as they are.
_EMOJI = (
    "\xa9\xae\u2190-\u21ff\u231a-\u2328\u23cf-\u23ff\u25a0-\u27bf\u2900-\u297f\u2b00-\u2bff"
    "\u3030\u303d\U0001f000-\U0001f0ff\U0001f1e6-\U0001f1ff\U0001f300-\U0001faff"
)
_CANDIDATE = re.compile(f"[{_MARKS}\ufe0e\ufe0f\u200d]")  # 5× faster where there is none
_INVISIBLE = re.compile(
    "(\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f)"  # a flag: kept
    f"|[{_MARKS}]"
    f"|(?<![{_EMOJI}])[\ufe0e\ufe0f](?!\u20e3)"  # U+20E3 makes a key of a digit
    f"|(?<![{_EMOJI}])(?<![{_EMOJI}]\ufe0f)\u200d|\u200d(?![{_EMOJI}])"
)
# ASCII that jieba keeps together in words such as `27`, `3.5` and `WiFi`. It takes each full-width
# form of them for a word of its own. Not `%` and `+`: the notebook's vocabulary has words of these.
_IN_WORDS = string.ascii_letters + string.digits + "#&._-"
_TO_HALF_WIDTH = {ord(character) + 0xFEE0: character for character in _IN_WORDS}
FULL_WIDTH = "".join(map(chr, _TO_HALF_WIDTH))
_FULL_WIDTH = re.compile(f"[{FULL_WIDTH}]")


def may_be_invisible(characters: str) -> list[str]:
    """Those that do not show, at least in some places."""
    return _CANDIDATE.findall(characters)


def visible_text(text: str) -> str:
    """The text without marks that do not show, such as zero-width spaces and bidi marks.

    Two texts that look the same then are the same. White space stays, and so do the marks within a
    sequence of emoji.
    """
    return _INVISIBLE.sub(r"\1", text) if _CANDIDATE.search(text) else text


def half_width(text: str) -> str:
    """The text with ASCII in place of full-width letters, digits and marks within words."""
    return text.translate(_TO_HALF_WIDTH) if _FULL_WIDTH.search(text) else text


def readable_text(text: str) -> str:
    """What is cut into words: the visible text, by `half_width`."""
    return half_width(visible_text(text))


def normalised(text: str) -> str:
    """The visible text in NFKC (full-width forms folded), each run of white space one space."""
    return " ".join(unicodedata.normalize("NFKC", visible_text(text)).split())


def record_id(text: str) -> str:
    """The first 32 hexadecimal digits (128 bits) of SHA-256 of the normalised headline.

    Two rows with the same headline have the same id.
    """
    return hashlib.sha256(normalised(text).encode()).hexdigest()[:32]


def has_undecodable(text: str) -> bool:
    """Whether the text has undecodable bytes, which are lone surrogates in it."""
    # Most text is printable, which rules out surrogates 6× faster than the search.
    return not text.isprintable() and _UNDECODABLE.search(text) is not None


def title_problem(title: str | None) -> str | None:
    """Why a title cannot be used; None if it can."""
    if title is None:
        return "title is missing"
    if not title.isprintable():
        if has_undecodable(title):
            return "title has undecodable bytes"
        if "\x00" in title:
            return "title has a NUL character"
    if not any(map(_is_visible, visible_text(title))):
        return "title is blank"
    if len(title) > MAX_TITLE:
        return TOO_LONG
    return None


def _is_visible(character: str) -> bool:
    # Any white space but the space counts as not printable, like private and unassigned characters.
    return character.isprintable() and character != " "
