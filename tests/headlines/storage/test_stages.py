"""A stage whose code changes must be given a new version, or artifacts of the old code are reused.

After a change that leaves every result as it was (a comment needs nothing), or after raising the
version in `headlines/storage/stages.py`, renew the record:
`python tests/headlines/storage/test_stages.py`.
"""

import ast
import hashlib
import json
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from headlines.storage.stages import STAGES, Stage

RECORD = Path(__file__).with_name("stages.json")
COMPILED = {"lstm_model.kernel": ("_kernel.c", "_kernel_steps.h")}  # next to the module


def parts(node: object) -> Iterator[str]:
    """What an element of the syntax says, without comments, layout, docstrings and types."""
    if isinstance(node, list):
        for element in node:
            yield from parts(element)
    elif isinstance(node, ast.AST):
        yield type(node).__name__
        for name, value in ast.iter_fields(node):
            if name in {"annotation", "returns", "type_comment", "type_params", "kind"}:
                continue
            if name == "body" and isinstance(value, list):
                value = [element for element in value if not is_docstring(element)]
            yield name
            yield from parts(value)
    elif node is not None:
        yield repr(node)


def is_docstring(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def without_comments(source: str) -> bytes:
    """What C says, without comments and layout."""
    return " ".join(re.sub(r"/\*.*?\*/", "", source, flags=re.DOTALL).split()).encode()


def digest_of_source(stage: Stage) -> str:
    digest = hashlib.sha256()
    for module in stage.modules:
        spec = find_spec(module)
        assert spec is not None, f"{module} is gone"
        assert spec.origin is not None
        tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
        digest.update("\n".join(parts(tree)).encode())
        for source in COMPILED.get(module, ()):
            digest.update(without_comments(Path(spec.origin).with_name(source).read_text("utf-8")))
    return digest.hexdigest()


def present_record() -> dict[str, dict[str, object]]:
    return {
        name: {"version": stage.version, "source": digest_of_source(stage)}
        for name, stage in STAGES.items()
    }


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_whose_code_changed_has_a_new_version(name: str) -> None:
    recorded = json.loads(RECORD.read_text(encoding="utf-8"))[name]
    assert present_record()[name] == recorded, (
        f"the code of the stage {name!r} is not what was recorded: raise its version in "
        f"headlines/storage/stages.py if its result may differ, then run `python {__file__}`"
    )


def test_the_record_sees_code_and_not_comments(tmp_path: Path) -> None:
    def digest(source: str) -> str:
        return "\n".join(parts(ast.parse(source)))

    plain = digest("def f(x):\n    return x + 1\n")
    assert digest('def f(x: int) -> int:\n    """Add."""\n    return x + 1  # one\n') == plain
    assert digest("def f(x):\n    return x + 2\n") != plain


if __name__ == "__main__":
    RECORD.write_text(json.dumps(present_record(), indent=2) + "\n", encoding="utf-8")
