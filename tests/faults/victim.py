"""Does jobs in child processes that die, or run out of disk, at a given step.

Run as a script it reads one request a line from standard input, as JSON, and answers each with
one line. It imports everything once and forks a child for every job, so that a kill at each of
some hundred steps costs seconds. It is no process of pytest's own: that one may have loaded
TensorFlow and started threads, which a fork does not survive.
"""

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any

import pyarrow.dataset  # noqa: F401  # loaded before the fork
from failing_writes import Control  # this script's own folder is on the path
from jobs import JOBS as OTHER_JOBS
from jobs import WORDS
from races import JOBS as RACES
from scoring_jobs import JOBS as SCORING_JOBS

import lstm_model.packed  # noqa: F401  # likewise
from headlines.errors import InputError
from headlines.segmentation import segment

JOBS: dict[str, Callable[..., Any]] = {**SCORING_JOBS, **OTHER_JOBS, **RACES}
_BECOME_PARENT_OF_ORPHANS = 36  # PR_SET_CHILD_SUBREAPER


def main() -> None:
    """Answer requests until standard input ends."""
    ctypes.CDLL(None).prctl(_BECOME_PARENT_OF_ORPHANS, 1, 0, 0, 0)
    segment(WORDS)  # loads the dictionary
    for line in sys.stdin:
        print(json.dumps(in_child(**json.loads(line))), flush=True)


def in_child(
    job: str,
    arguments: dict[str, Any],
    die_at: int | None = None,
    file_limit: int | None = None,
    die_at_limit: bool = False,
    own_group: bool = False,
) -> dict[str, Any]:
    """Do a job in a child process, and wait for it and all that it has started.

    Args:
        job: name of one of `JOBS`.
        arguments: of its function.
        die_at: the child kills itself just before so-manieth change of the file system.
        file_limit: bytes; the kernel lets no file grow beyond them.
        die_at_limit: whether it then kills the child in the middle of the write, or the write
            fails as on a full disk.
        own_group: whether the child leads a process group of its own, as a run at a terminal
            does; `Control.group` says which, so that it can be killed from outside.

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
            if own_group:
                os.setsid()
                Control.of_environment().group = os.getpid()
            if file_limit is not None:
                limit_files(file_limit, die=die_at_limit)
            steps = Steps(arguments["root"], die_at, writing)
            sys.addaudithook(steps)
            say["result"] = JOBS[job](**arguments)
            say["steps"] = steps.taken
        except Exception as error:
            kind = InputError if isinstance(error, InputError) else type(error)
            say["error"] = [kind.__name__, str(error)]
            say["traceback"] = traceback.format_exc()
        os.write(writing, json.dumps(say).encode())
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:  # a descriptor  # noqa: PTH123
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()  # its workers, which are ours now that it is gone
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


if __name__ == "__main__":
    main()
