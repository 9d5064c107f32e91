"""Executors: threads, processes or a Dask cluster."""
