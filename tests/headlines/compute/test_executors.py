import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headlines.compute.executors import bounded_map, executor
from headlines.errors import InputError
from headlines.settings import Settings

PROCESSES = Settings(runner="processes", workers=2)


@pytest.fixture(scope="module")
def pool() -> Iterator[Executor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


@given(items=st.lists(st.integers(), max_size=40), window=st.integers(1, 6))
def test_results_come_in_order_within_the_window(
    pool: Executor, items: list[int], window: int
) -> None:
    handed_out = finished = running = most_running = 0
    lock = threading.Lock()

    def work(item: int) -> int:
        nonlocal running, most_running
        with lock:
            running += 1
            most_running = max(most_running, running)
        result = item * 2
        with lock:
            running -= 1
        return result

    def hand_out() -> Iterator[int]:
        nonlocal handed_out
        for item in items:
            handed_out += 1
            assert handed_out - finished <= window + 1  # those in flight, and the one just done
            yield item

    results = []
    for result in bounded_map(pool, work, hand_out(), window):
        finished += 1
        results.append(result)
        assert handed_out - finished <= window
    assert results == [item * 2 for item in items]
    assert most_running <= window


def test_the_window_is_used_in_full() -> None:
    meeting = threading.Barrier(3, timeout=30)  # nobody passes before all three run
    with ThreadPoolExecutor(3) as threads:
        list(bounded_map(threads, lambda _: meeting.wait(), range(9), 3))


def test_an_error_is_raised_in_order_and_cancels_the_rest() -> None:
    done: list[int] = []
    held = threading.Event()

    def work(item: int) -> int:
        if item == 2:
            raise ValueError("bad item 2")
        if item > 2:
            held.wait(30)
        done.append(item)
        return item

    results = []
    with ThreadPoolExecutor(1) as threads:
        with pytest.raises(ValueError, match="bad item 2"):  # noqa: PT012
            for result in bounded_map(threads, work, range(100), 8):
                results.append(result)
        held.set()
    assert results == [0, 1]
    assert set(done) <= {0, 1, 3}  # at most the one that had begun


def test_a_caller_who_stops_early_cancels_the_rest() -> None:
    started: list[int] = []
    with ThreadPoolExecutor(1) as threads:
        results = bounded_map(threads, lambda item: started.append(item), range(1_000), 4)
        next(results)
        results.close()  # type: ignore[attr-defined]
    assert len(started) <= 5


@pytest.mark.parametrize(("runner", "calls"), [("threads", 99), ("processes", 1)])
def test_threads_run_what_a_pool_would_not_pay_for(runner: str, calls: int) -> None:
    settings = Settings(runner=runner, workers=2)
    assert executor(calls, settings).submit(os.getpid).result() == os.getpid()
    assert executor(calls, settings) is executor(calls, settings)


def test_processes_run_several_calls() -> None:
    pool = executor(2, PROCESSES)
    assert os.getpid() not in {pool.submit(os.getpid).result() for _ in range(4)}
    assert pool.submit(eval, "__import__('os').environ['OMP_NUM_THREADS']").result() == "1"


def test_an_input_error_crosses_a_process_whole() -> None:
    from headlines.storage.layout import validate_batch_name

    with pytest.raises(InputError) as caught:
        executor(2, PROCESSES).submit(validate_batch_name, "../a.csv").result()
    assert (caught.value.location, caught.value.problem) == (
        "batch name",
        "'../a.csv' cannot be a batch name",
    )


MAIN = """
import prefect  # at the top of the main module, as in a Prefect worker
from headlines.compute.executors import executor
from headlines.settings import Settings

if __name__ == "__main__":
    import json, os, sys
    assert "prefect" in sys.modules
    pool = executor(2, Settings(runner="processes", workers=2))
    work = "__import__('headlines').segment(['股市大涨'])"
    look = f"({work}, __import__('os').getpid(), sorted(__import__('sys').modules))"
    seen = [future.result() for future in [pool.submit(eval, look) for _ in range(8)]]
    assert os.getpid() not in [pid for _, pid, _ in seen]
    print(json.dumps([[words, modules] for words, _, modules in seen]))
"""


def test_workers_load_neither_prefect_nor_tensorflow(tmp_path: Path) -> None:
    script = tmp_path / "night.py"
    script.write_text(MAIN, encoding="utf-8")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    for words, modules in json.loads(done.stdout):
        assert words == [["股市", "大涨"]]
        assert "headlines.segmentation" in modules
        packages = {name.partition(".")[0] for name in modules}
        assert packages.isdisjoint({"prefect", "tensorflow", "keras", "fastapi", "sqlalchemy"})
        assert {"jieba", "headlines.segmentation._jieba"}.isdisjoint(modules)


def test_all_threads_share_one_pool() -> None:
    with ThreadPoolExecutor(6) as threads:
        meeting = threading.Barrier(6, timeout=30)  # six threads ask at once
        asked = [
            threads.submit(lambda: (meeting.wait(), executor(2, PROCESSES))[1]) for _ in range(6)
        ]
        assert len({id(pool.result()) for pool in asked}) == 1
    assert len(set(executor(2, PROCESSES).map(lambda _: os.getpid(), range(20)))) <= 2


ORPHANING = """
import os, signal, time
from headlines.compute.executors import executor
from headlines.settings import Settings
pool = executor(2, Settings(runner="processes", workers=2))
working = [pool.submit(time.sleep, 600) for _ in range(2)]
while not all(work.running() for work in working):
    pass
print("working", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_workers_end_with_their_caller() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", ORPHANING],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    # The workers hold the pipe too: it ends when all are gone.
    output, _ = process.communicate(timeout=60)
    assert output == "working\n"
    assert process.returncode == -signal.SIGKILL
