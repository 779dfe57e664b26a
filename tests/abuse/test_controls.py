"""Each case should have a control that takes its guard out, and stand in the table of the package's docstring."""

import ast
from pathlib import Path

import pytest

import tests.abuse

_FOLDER = Path(__file__).parent
_CASES = sorted(path for path in _FOLDER.glob("test_*.py") if path != Path(__file__))


@pytest.mark.parametrize("path", _CASES, ids=lambda path: path.stem)
def test_a_case_has_a_control(path: Path) -> None:
    functions = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]
    guards = [function.name for function in functions if function.name.startswith("without_")]
    controls = [
        function.name for function in functions if function.name.startswith("test_") and "control" in function.name
    ]
    assert guards or controls, f"{path.name} takes no guard out"


def test_the_table_names_every_case() -> None:
    named = {
        line.split("|")[2].strip().strip("`") for line in str(tests.abuse.__doc__).splitlines() if line.startswith("| ")
    }
    assert {path.name for path in _CASES} == named - {"test"}
