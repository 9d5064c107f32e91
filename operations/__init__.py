"""The project's own Prefect: a lasting server, its worker, deployments, automations, their state.

Importing this package or `operations.instance`, `operations.processes` and `operations.server` does
not import Prefect: the command line asks them whether a server is up before it does.
"""
