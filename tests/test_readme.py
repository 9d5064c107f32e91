"""`README.zh-CN.md` has the commands, outputs, figures and links of `README.md`."""

import re
import subprocess
import sys
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


def test_picture_of_a_night_is_what_its_script_draws(tmp_path: Path) -> None:
    out = tmp_path / "picture.svg"
    subprocess.run([sys.executable, "docs/night.py", "--out", str(out)], cwd=ROOT, check=True)
    assert out.read_bytes() == (ROOT / "docs/night.svg").read_bytes()


def test_terminal_picture_has_tasks_and_result_and_no_path(tmp_path: Path) -> None:
    log, out = tmp_path / "run.log", tmp_path / "picture.svg"
    log.write_text(
        "WARNING: not a line of a task\n"
        "00:50:41.376 | INFO    | Task run 'corpus inews' - corpus inews: built in 0.3 s\n"
        "00:50:51.376 | INFO    | Task run 'corpus inews' - Finished in state Completed()\n"
        "00:51:01.376 | INFO    | Task run 'commit' - predictions: built (/somewhere/data)\n"
        "\n"
        "model: m <1>\n",
        "utf-8",
    )
    command = [sys.executable, "docs/terminal.py", str(log), "--out", str(out)]
    subprocess.run(command, cwd=ROOT, check=True)
    text = out.read_text("utf-8")
    shown = re.findall(r"<g .*?</g>", text)
    assert [re.sub(r"<[^>]+>", "", line) for line in shown] == [
        "corpus inews  corpus inews: built in 0.3 s",
        "commit  predictions: built",
        "model: m &lt;1&gt;",
    ]
    delays = [float(delay) for delay in re.findall(r"animation-delay:([\d.]+)s", text)]
    assert delays == [0.5, 12.5, 12.5]
