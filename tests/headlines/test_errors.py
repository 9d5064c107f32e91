import pickle

import pytest

from headlines.errors import BatchesStopped, DamagedArtifact, DriftTooHigh, InputError

ERRORS = [
    InputError("没有标题列", "a.csv", "add one"),
    DamagedArtifact("corpus/inews", "a file is missing"),
    BatchesStopped("1 batch stopped", {"stopped": ["a.csv"]}),
    DriftTooHigh("drift of length", {"drift": [{"psi": 0.7}]}),
]


def test_input_error_gives_location_problem_and_hint() -> None:
    assert str(InputError("it is empty", "a.csv", "upload it again")) == (
        "a.csv: it is empty; upload it again"
    )


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_errors_can_be_pickled(error: Exception) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert vars(again) == vars(error)
    assert str(again) == str(error)
