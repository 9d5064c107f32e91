"""`README.zh-CN.md` has the commands, outputs, figures and links of `README.md`."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Development is described in English alone.
ENGLISH = (ROOT / "README.md").read_text("utf-8").split("## Development")[0]
CHINESE = (ROOT / "README.zh-CN.md").read_text("utf-8").split("## 开发")[0]


def code_blocks(text: str) -> list[str]:
    """Each fenced block, without its comments; a listing of files keeps its paths alone."""
    blocks = re.findall(r"^```\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [
        "\n".join(
            re.split(r"  +", line.strip())[0]
            if block.startswith("data/")
            else re.sub(r" +# .*$", "", line)
            for line in block.splitlines()
        )
        for block in blocks
    ]


def names(text: str) -> list[str]:
    """Everything between backquotes outside code blocks, in any order."""
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return sorted(set(re.findall(r"`([^`]+)`", prose)))


def figures(text: str) -> list[str]:
    """Numbers with a decimal point or a thousands separator, in any order."""
    return sorted(re.findall(r"\d+(?:[.,]\d+)+", text))


def links(text: str) -> list[str]:
    targets = re.findall(r"\]\(([^)]+)\)", text)
    return sorted({target for target in targets if not target.startswith("README")})


@pytest.mark.parametrize("parts", [code_blocks, names, figures, links])
def test_both_readmes_have_the_same(parts) -> None:
    assert parts(CHINESE) == parts(ENGLISH)


def test_both_readmes_have_as_many_sections() -> None:
    assert CHINESE.count("\n## ") == ENGLISH.count("\n## ")


def test_links_of_both_readmes_lead_to_files() -> None:
    for target in links(ENGLISH + CHINESE):
        if not target.startswith("http"):
            assert (ROOT / target.split("#")[0]).exists(), target
