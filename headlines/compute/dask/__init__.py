"""Dask: heavy work on the workers of a cluster, of other machines or of this one."""
