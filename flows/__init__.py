"""Prefect flows, one a file: what runs, in what order, with what beside it.

Importing this package sets what the project needs of Prefect and TensorFlow, unless the
environment says otherwise, and imports neither.
"""

import os

from flows.surroundings import surroundings

for _name, _value in surroundings().items():
    os.environ.setdefault(_name, _value)
