"""jieba 0.42.1 itself, whose words every engine but `paddle` must give, and texts to cut."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import jieba
import jieba.finalseg

from headlines.corpus import inews
from headlines.segmentation import Segmenter

TITLES = [
    "新华社北京11月20日电",
    "股市大涨3.5%，AI概念股领跑",
    "《流浪地球》票房破40亿 观众：好看！",
]
FALLBACK_TEXT = "㐀地大涨\x1c云计算"  # the fast engine leaves such texts to jieba
MODES = ("precise", "search")
# jieba's own example, and lines as users write them
USER_WORDS = """云计算 5
李小福 2 nr
创新办 3 i
easy_install 3 eng
好用 300
韩玉赏鉴 3 nz
八一双鹿 3 nz
台中
凱特琳 nz
Edu Trust认证 2000
"""
USER_TEXTS = [
    "李小福是创新办主任也是云计算方面的专家; 什么是八一双鹿",
    "例如我输入一个带“韩玉赏鉴”的标题，在自定义词库中也增加了此词为N类",
    "「台中」正確應該不會被切開。mac上可分出「石墨烯」；此時又可以分出來凱特琳了。",
    "easy_install is great, Edu Trust认证好用",
    *TITLES,
    FALLBACK_TEXT,
]


@cache
def reference() -> Any:
    """jieba's own tokenizer."""
    assert jieba.__version__ == "0.42.1"
    tokenizer = jieba.Tokenizer()
    tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True  # without a file in the shared temporary folder
    return tokenizer


def reference_with(user_dictionary: Path) -> Any:
    tokenizer = jieba.Tokenizer()
    tokenizer.FREQ, tokenizer.total = reference().FREQ.copy(), reference().total
    tokenizer.initialized = True
    tokenizer.load_userdict(str(user_dictionary))
    return tokenizer


def cut_by(tokenizer: Any, text: str, mode: str, hmm: bool) -> list[str]:
    if mode == "search":
        return list(tokenizer.lcut_for_search(text, HMM=hmm))
    return list(tokenizer.lcut(text, cut_all=mode == "full", HMM=hmm))


def check_fast_engine(texts: list[str]) -> None:
    """The fast engine's words are jieba's, with and without the hidden Markov model."""
    for mode in MODES:
        for hmm in (True, False):
            token_lists = Segmenter(mode=mode, hmm=hmm).cut(texts)
            for text, words in zip(texts, token_lists, strict=True):
                assert words == cut_by(reference(), text, mode, hmm), (mode, hmm, text)


def corpus_texts(column: str) -> list[str]:
    texts = [
        row.fields[column]
        for split, path in inews.split_paths().items()
        for row in inews.read_split(path, split)
    ]
    assert len(texts) == 7353
    return texts


def run_python(program: str, **environment: str) -> Any:
    """The JSON that a program prints in a new process."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)
