"""Does jobs in child processes that die, or run out of disk, where they are told to.

Run as a script it reads one request a line from standard input, as JSON, and answers each with
one line. It imports everything once and forks a child for every job, so that a kill at each of
some hundred steps costs seconds. It is no process of pytest's own: that one may have loaded
TensorFlow and started threads, which a fork does not survive.
"""

import dataclasses
import json
import multiprocessing
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset  # loaded before the fork
import pyarrow.parquet as pq

import lstm_model.packed  # noqa: F401  # likewise
from headlines import admission, batches, registry, scoring
from headlines.artifact import Artifact, publish
from headlines.batches import Batch, State
from headlines.catalog import Catalog
from headlines.drafts import sweep_drafts
from headlines.errors import InputError
from headlines.manifest import Recipe
from headlines.segmentation import Segmenter, segment
from headlines.sources import Reading
from lstm_model.bundle import Bundle, write_bundle
from lstm_model.presets import PRESETS, weight_shapes
from lstm_model.vocabulary import Vocabulary

WORDS = ["股市", "大涨", "下跌", "地震", "伤亡", "夺冠", "天气", "晴", "北京", "公司"]
admission.PIECE_ROWS = 4  # several chunks of a small batch


def main() -> None:
    """Answer requests until standard input ends."""
    segment(WORDS)  # loads the dictionary
    for line in sys.stdin:
        print(json.dumps(in_child(**json.loads(line))), flush=True)


def in_child(
    job: str,
    arguments: dict[str, Any],
    die_at: int | None = None,
    file_limit: int | None = None,
    die_at_limit: bool = False,
) -> dict[str, Any]:
    """Do a job in a child process.

    Args:
        job: name of one of `JOBS`.
        arguments: of its function.
        die_at: the child kills itself just before so-manieth change of the file system.
        file_limit: bytes; the kernel lets no file grow beyond them.
        die_at_limit: whether it then kills the child in the middle of the write, or the write
            fails as on a full disk.

    Returns:
        `signal` that ended the child or 0, and what the child said last: its `result` and how
        many `steps` it took; or the step it `died` at; or its `error` as type and text.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        say: dict[str, Any] = {}
        try:
            if file_limit is not None:
                limit_files(file_limit, die=die_at_limit)
            steps = Steps(arguments["root"], die_at, writing)
            sys.addaudithook(steps)
            say["result"] = JOBS[job](**arguments)
            say["steps"] = steps.taken
        except Exception as error:
            say["error"] = [type(error).__name__, str(error)]
            say["traceback"] = traceback.format_exc()
        os.write(writing, json.dumps(say).encode())
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:  # noqa: PTH123  # a descriptor
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    return {
        "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
        **json.loads(said or "{}"),
    }


def limit_files(size: int, *, die: bool) -> None:
    """Let no file grow beyond a size, by a limit of the kernel's own."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL if die else signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


class Steps:
    """An audit hook that counts this process's changes below the root, and kills it before one."""

    changes = frozenset(
        {"os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.truncate", "os.link"}
    )
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

    def __init__(self, root: str, die_at: int | None, pipe: int) -> None:
        self.root = root
        self.die_at = die_at
        self.pipe = pipe
        self.taken = 0

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if not flags & self.writing or not str(path).startswith(self.root):
                return
        elif event not in self.changes:
            return
        self.taken += 1
        if self.taken == self.die_at:
            os.write(self.pipe, json.dumps({"died": f"{event} {arguments[0]}"}).encode())
            os.kill(os.getpid(), signal.SIGKILL)


def recipe_of(content: str) -> Recipe:
    """A recipe whose key stands for a content."""
    return Recipe("example", 1, (), {"content": content})


def write_example(draft: Path, content: str) -> dict[str, Any]:
    """The files of an artifact: some Parquet, and text in a folder."""
    for number in range(2):
        table = pa.table({"row": range(500), "text": [f"{content} {n}" for n in range(500)]})
        pq.write_table(table, draft / f"part-{number}.parquet")
    (draft / "notes").mkdir()
    (draft / "notes" / "readme.txt").write_text(content * 40, encoding="utf-8")
    return {"rows": 1000}


def publish_example(root: str, content: str, keep_superseded: bool = False) -> None:
    """Publish an artifact at `reports/example`."""
    catalog = Catalog(Path(root))
    publish(
        catalog,
        catalog.reports / "example",
        recipe_of(content),
        lambda draft: write_example(draft, content),
        keep_superseded=keep_superseded,
    )


def publish_model(root: str, version: str, seed: int) -> Artifact:
    """Publish a classifier of random weights."""
    catalog = Catalog(Path(root))
    preset = dataclasses.replace(
        PRESETS["default"], name="tiny", min_count=1, embedding_size=4, units=3
    )
    vocabulary = Vocabulary.build([WORDS], preset.rules)
    random = np.random.default_rng(seed)
    weights = {
        name: random.standard_normal(shape, np.float32)
        for name, shape in weight_shapes(preset, len(vocabulary)).items()
    }

    def make(draft: Path) -> dict[str, Any]:
        write_bundle(draft, Bundle(preset, vocabulary, weights, [], best_epoch=0))
        return {"seed": seed}

    config = {"seed": seed, "segmenter": Segmenter().fingerprint()}
    return publish(catalog, catalog.model(version), Recipe("model", 1, (), config), make)


def first_model(root: str) -> None:
    """Publish and promote the first model in the steps that training takes."""
    catalog = Catalog(Path(root))
    registry.complete_first(catalog)
    registry.announce_first(catalog)
    publish_model(root, "first", seed=1)
    registry.complete_first(catalog)


def second_model(root: str) -> None:
    """Publish another model."""
    publish_model(root, "second", seed=2)


def promote(root: str) -> None:
    """Promote the other model."""
    registry.promote(Catalog(Path(root)), "second", "better")


def score(root: str, max_reject_rate: float = 0.5, release: bool = False) -> str:
    """Score the batch in the inbox with the champion, or stop it, in the steps the flow takes."""
    catalog = Catalog(Path(root))
    one = Batch.of_file(catalog, catalog.inbox / "news.csv")
    model = registry.champion(catalog)
    with batches.claimed(catalog, one):
        if release:
            batches.release(catalog, one)
        state = batches.state_of(catalog, one)
        if state in (State.FAILED, State.SCORED):
            return state.value
        pieces: list[admission.Piece] = []
        try:
            admitted = admission.admit(catalog, one, Reading(), pieces.append)
            admission.check_reject_rate(one, admitted, max_reject_rate)
        except InputError as error:
            chunks = [
                scoring.chunk_of(catalog, one, piece, model, Segmenter()) for piece in pieces
            ]
            scoring.stop(catalog, one, Reading(), error, chunks)
            return "stopped"
        chunks = scoring.chunks_of(catalog, one, admitted, model)
        scored = [scoring.score_chunk(chunk) for chunk in chunks]
        scoring.commit(catalog, one, admitted, model, scored)
    return "scored"


def score_two(root: str, names: list[str]) -> None:
    """Score two batches of the inbox in step with each other, as two processes might."""
    catalog = Catalog(Path(root))
    model = registry.champion(catalog)
    pieces = []
    for name in names:
        batch = Batch.of_file(catalog, catalog.inbox / name)
        admitted = admission.admit(catalog, batch, Reading())
        chunks = scoring.chunks_of(catalog, batch, admitted, model)
        pieces.append((batch, admitted, model, [scoring.score_chunk(chunk) for chunk in chunks]))
    for piece in pieces:
        scoring.commit(catalog, *piece)


def race(root: str, contents: list[str], keep_superseded: bool) -> list[dict[str, Any]]:
    """Have a process for each content publish it at `reports/example`, all at once.

    None goes on to publish before all have made their drafts, so that none finds another's.
    """
    catalog = Catalog(Path(root))
    fork = multiprocessing.get_context("fork")
    made = fork.Barrier(len(contents))
    results = fork.SimpleQueue()

    def write(content: str) -> None:
        def make(draft: Path) -> dict[str, Any]:
            counts = write_example(draft, content)
            made.wait(60)
            return counts

        artifact = publish(
            catalog,
            catalog.reports / "example",
            recipe_of(content),
            make,
            keep_superseded=keep_superseded,
        )
        files = {entry.path: entry.sha256 for entry in artifact.manifest.files}
        results.put({"reused": artifact.reused, "key": artifact.manifest.key, "files": files})

    return _all_at_once(fork, write, contents, results)


def mend(root: str, content: str, writers: int) -> list[dict[str, Any]]:
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
    from headlines.artifact import find

    catalog = Catalog(Path(root))
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
                found += bool(find(catalog, catalog.reports / "example", recipe_of(role).key))
        results.put({"role": role, "found": found})

    return _all_at_once(fork, work, ["writer", *contents], results)


def _all_at_once(fork: Any, work: Any, items: list[str], results: Any) -> list[dict[str, Any]]:
    processes = [fork.Process(target=work, args=(item,)) for item in items]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if failed := [process.exitcode for process in processes if process.exitcode]:
        raise RuntimeError(f"{len(failed)} of {len(processes)} processes failed")
    return [results.get() for _ in processes]


def sweep(root: str) -> int:
    """Sweep drafts."""
    return sweep_drafts(Catalog(Path(root)))


JOBS: dict[str, Callable[..., Any]] = {
    job.__name__: job
    for job in (
        publish_example,
        first_model,
        second_model,
        promote,
        score,
        score_two,
        race,
        mend,
        replace_while_read,
        sweep,
    )
}

if __name__ == "__main__":
    main()
