from __future__ import annotations

import subprocess
import sys

import pytest

import lstm_model

HEAVY = ("tensorflow", "keras", "pandas", "pyarrow", "prefect")


def loaded_after(statements: str) -> list[str]:
    """Which heavy packages a fresh interpreter has loaded after `statements`."""
    code = f"{statements}\nimport sys\nprint(*[name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded_after("import lstm_model") == []


def test_packed_scorer_needs_no_tensorflow() -> None:
    assert loaded_after("from lstm_model import PackedScorer; PackedScorer.load") == []


def test_scoring_needs_no_tensorflow(tmp_path, make_bundle) -> None:
    from lstm_model.bundle import write_bundle

    write_bundle(tmp_path, make_bundle())
    statements = (
        "from lstm_model import PackedScorer\n"
        f"assert PackedScorer.load({str(tmp_path)!r}).predict([['股市'], []]).shape == (2, 3)"
    )
    assert loaded_after(statements) == []


def test_public_names() -> None:
    assert {"CustomLSTM", "PackedScorer"} <= set(dir(lstm_model))
    with pytest.raises(AttributeError, match=r"lstm_model.*no attribute 'LSTM'"):
        lstm_model.LSTM  # noqa: B018
