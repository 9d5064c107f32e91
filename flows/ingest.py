"""The flow `ingest`: a labelled corpus, checked and typed."""

from typing import Any

from prefect import flow

from flows.local_run import run_flow
from flows.logs import hide_expected_tracebacks
from flows.parameters import Count, Quoting, Share
from flows.results import result_of
from headlines.readers import ReadOptions
from headlines.readers.rejects import MAX_REJECT_RATE, MAX_REJECTS
from headlines.settings import Settings
from headlines.storage.data_root import DataRoot
from tasks.ingest import ingest_corpus

hide_expected_tracebacks()


@flow(name="ingest", flow_run_name="ingest {name}")
def ingest(
    source: str = "inews",
    name: str = "inews",
    encoding: str = "utf-8",
    delimiter: str | None = None,
    quoting: Quoting | None = None,
    max_reject_rate: Share = MAX_REJECT_RATE,
    max_rejects: Count = MAX_REJECTS,
) -> dict[str, Any]:
    """Ingest a corpus.

    Args:
        source: `inews` for the packaged corpus; else a file or folder of CSV, TSV, JSONL or
            Parquet with `title` and optional `content`, `label`, `split`, `p_positive`,
            `p_neutral`, `p_negative` and `weight`.
        name: of the corpus.
        encoding: of text files.
        delimiter: between the columns of CSV and TSV; null for a comma and a tab.
        quoting: `csv` or `none`; null for `csv` in CSV and `none` in TSV.
        max_reject_rate: a source with a larger share of unusable rows is refused,
        max_rejects: if there are more of them than this.
    """
    root = DataRoot.from_settings(Settings.from_environment())
    options = ReadOptions(encoding, delimiter=delimiter, quoting=quoting)
    return result_of(ingest_corpus(root, name, source, options, max_reject_rate, max_rejects))


if __name__ == "__main__":
    run_flow("ingest")
