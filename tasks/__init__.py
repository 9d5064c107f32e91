"""Prefect tasks, one stage a file: each adds to a plain function only what Prefect adds."""
