import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import headlines

HEAVY = (
    "prefect", "tensorflow", "keras", "jieba", "headlines.segmentation._jieba", "pandas",
    "pyarrow", "numpy", "sklearn",
)  # fmt: skip


def loaded_after(statements: str) -> set[str]:
    code = f"{statements}\nimport sys\nprint(*[name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("statements", "loads"),
    [
        ("import headlines", set()),
        ("import headlines.readers, headlines.settings, headlines.storage.layout", set()),
        ("from headlines import segment; segment", {"numpy"}),
        ("from headlines import segment; segment(['股市大涨3.5%，AI'])", {"numpy"}),
        (
            "from headlines import segment; segment(['股市大涨'], 'jieba')",
            {"headlines.segmentation._jieba", "numpy"},
        ),
        ("from headlines import predict; predict", {"numpy"}),
    ],
)
def test_import_loads_only_what_is_needed(statements: str, loads: set[str]) -> None:
    assert loaded_after(statements) == loads


def modules() -> Iterator[str]:
    folder = Path(str(headlines.__file__)).parent
    for path in sorted(folder.rglob("[!_]*.py")):
        yield ".".join(("headlines", *path.relative_to(folder).with_suffix("").parts))


def test_no_module_loads_prefect_or_tensorflow() -> None:
    names = list(modules())
    assert len(names) > 30
    assert {"headlines.segmentation.rust_jieba", "headlines.corpus.token_cache"} <= {*names}
    loaded = loaded_after(f"import importlib; [importlib.import_module(n) for n in {names}]")
    assert loaded.isdisjoint({*HEAVY} - {"pandas", "pyarrow", "numpy"})


def test_unknown_attribute_of_the_package() -> None:
    missing: Any = "segments"
    with pytest.raises(AttributeError, match="no attribute 'segments'"):
        getattr(headlines, missing)
