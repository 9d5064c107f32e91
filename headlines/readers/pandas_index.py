"""Reads the index of a data frame that pandas wrote into a Parquet file's metadata alone."""

import json

import pyarrow as pa


def range_indexes(schema: pa.Schema, rows: int) -> dict[str, range]:
    """The named indexes that are no columns of a file, with a value for each row.

    pandas stores an index of consecutive numbers as its first and last one. As in pandas, one of
    another length than the file is ignored: the file was changed since.

    Args:
        schema: of the file.
        rows: number of rows of the file.
    """
    try:
        indexes = json.loads((schema.metadata or {}).get(b"pandas", b"{}")).get("index_columns", [])
        ranges = {
            index["name"]: range(index["start"], index["stop"], index["step"])
            for index in indexes
            if isinstance(index, dict) and index.get("kind") == "range"
        }
        return {
            name: values
            for name, values in ranges.items()
            if isinstance(name, str) and name not in schema.names and len(values) == rows
        }
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError):
        return {}  # damaged, or not of pandas
