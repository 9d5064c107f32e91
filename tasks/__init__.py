"""Prefect tasks, one stage a file: plain functions with names, retries, logs and artifacts."""
