"""Finds the packages of this project where others of the same name come first on the path."""

import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

_PROJECT = Path(__file__).parent.parent
OWN_PACKAGES = ("flows", "operations", "tasks", "headlines", "lstm_model")


def import_hidden() -> None:
    """Import the packages of this project that another one hides, as one called `tasks` may."""
    for name in OWN_PACKAGES:
        init = _PROJECT / name / "__init__.py"
        spec = PathFinder.find_spec(name)
        if name in sys.modules or spec is None or spec.origin == str(init):
            continue
        own = spec_from_file_location(name, init, submodule_search_locations=[str(init.parent)])
        assert own is not None
        assert own.loader is not None
        module = sys.modules[name] = module_from_spec(own)
        own.loader.exec_module(module)
