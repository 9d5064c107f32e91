"""Prefect flows, one a file: what runs, in what order, with what beside it.

Importing this package sets what the project needs of Prefect and TensorFlow, unless the
environment says otherwise, and imports neither.
"""

from flows.environment import configure

configure()
