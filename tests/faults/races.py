"""Jobs of `victim.py` in which several processes, or batches, get in each other's way."""

import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobs import publish_example, recipe_of, write_example  # of this folder
from scoring_jobs import score

from headlines.models import champion
from headlines.scoring.batch import Batch
from headlines.scoring.chunks import chunk_refs
from headlines.scoring.commit import commit
from headlines.scoring.options import ScoreOptions
from headlines.scoring.prepare import prepare_batch
from headlines.scoring.score_chunks import make_job, score_chunk
from headlines.storage.data_root import DataRoot


def score_two(root: str, names: list[str]) -> None:
    """Score two batches of the inbox in step with each other, as two processes might."""
    data = DataRoot.open(root)
    model = champion.open_champion(data)
    options, scored = ScoreOptions(max_reject_rate=1.0), []
    for name in names:
        batch = Batch.of_file(data, Path(root) / "inbox" / name)
        prepared = prepare_batch(data, batch, options)
        jobs = [make_job(data, batch, chunk, model, options) for chunk in chunk_refs(prepared)]
        scored.append((batch, prepared, model, [score_chunk(job) for job in jobs]))
    for arguments in scored:
        commit(data, *arguments)


def race(root: str, contents: list[str], keep_old: bool) -> list[dict[str, Any]]:
    """Have a process for each content publish it at `reports/example`, all at once.

    None goes on to publish before all have made their drafts, so that none finds another's.
    """
    data = DataRoot.open(root)
    fork = multiprocessing.get_context("fork")
    made = fork.Barrier(len(contents))
    results = fork.SimpleQueue()

    def write(content: str) -> None:
        def make(draft: Path) -> dict[str, Any]:
            counts = write_example(draft, content)
            made.wait(60)
            return counts

        artifact = data.store.publish(
            "reports/example", recipe_of(content), make, keep_old=keep_old
        )
        files = {entry.path: entry.sha256 for entry in artifact.manifest.files}
        results.put({"reused": artifact.reused, "key": artifact.manifest.key, "files": files})

    return _all_at_once(fork, write, contents, results)


def rebuild(root: str, content: str, writers: int) -> list[dict[str, Any]]:
    """Have processes publish the same content where a damaged artifact stands, all at once."""
    fork = multiprocessing.get_context("fork")
    results = fork.SimpleQueue()
    started = fork.Barrier(writers)

    def write(content: str) -> None:
        started.wait(60)
        publish_example(root, content)
        results.put({"published": True})

    return _all_at_once(fork, write, [content] * writers, results)


def replace_while_read(root: str, contents: list[str], rounds: int) -> list[dict[str, Any]]:
    """Replace an artifact again and again while another process looks for it."""
    data = DataRoot.open(root)
    fork = multiprocessing.get_context("fork")
    results = fork.SimpleQueue()
    finished = fork.Event()

    def work(role: str) -> None:
        found = 0
        if role == "writer":
            try:
                for number in range(rounds):
                    publish_example(root, contents[number % len(contents)])
            finally:
                finished.set()
        else:
            while not finished.is_set():
                found += bool(data.store.find("reports/example", recipe_of(role).key))
        results.put({"role": role, "found": found})

    return _all_at_once(fork, work, ["writer", *contents], results)


def score_together(root: str, processes: int) -> list[str]:
    """Have processes score the batch in the inbox, all at once; what each says of it."""
    fork = multiprocessing.get_context("fork")
    results = fork.SimpleQueue()
    started = fork.Barrier(processes)

    def work(_: str) -> None:
        started.wait(60)
        results.put(score(root))

    return _all_at_once(fork, work, [""] * processes, results)


def _all_at_once(fork: Any, work: Any, items: list[str], results: Any) -> list[Any]:
    processes = [fork.Process(target=work, args=(item,)) for item in items]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if failed := [process.exitcode for process in processes if process.exitcode]:
        raise RuntimeError(f"{len(failed)} of {len(processes)} processes failed")
    return [results.get() for _ in processes]


JOBS: dict[str, Callable[..., Any]] = {
    job.__name__: job for job in (score_two, score_together, race, rebuild, replace_while_read)
}
