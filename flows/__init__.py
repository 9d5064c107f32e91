"""Prefect flows, one a file: what runs, in what order, and what in parallel.

Importing this package sets the variables that Prefect and TensorFlow need, unless the user has set
them, and imports neither.
"""

from flows.own_packages import import_hidden

import_hidden()

from flows.environment import configure  # noqa: E402

configure()
