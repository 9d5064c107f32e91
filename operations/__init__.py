"""The project's own Prefect server and worker, deployments, alerts, and checks of the setup.

`operations.service` is the entry. Importing it, `instance`, `processes` or `server` does not import
Prefect: the command line asks whether a server is up first, and Prefect reads its address once.
"""
