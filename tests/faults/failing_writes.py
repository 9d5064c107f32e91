"""The Python side of `failing_writes.c`: its control page, and how a process is put under it."""

import ctypes
import mmap
import os
import subprocess
from enum import IntEnum
from pathlib import Path

PAGE = "FAILING_WRITES"  # the variable that names the file of the page
_SOURCE = Path(__file__).with_name("failing_writes.c")


class Phase(IntEnum):
    """What a job that scores is at."""

    STARTING = 0
    SCORING = 1
    PUBLISHING = 2
    DONE = 3


class Control(ctypes.Structure):
    """The page that the tests and all processes under the library share: `struct control`."""

    root: bytes
    steps: int
    first: int
    last: int
    failure: int
    group: int
    harmed: int
    call: bytes
    path: bytes
    phase: int

    _fields_ = (
        ("root", ctypes.c_char * 512),
        ("steps", ctypes.c_uint64),
        ("first", ctypes.c_uint64),
        ("last", ctypes.c_uint64),
        ("failure", ctypes.c_int64),
        ("group", ctypes.c_int64),
        ("harmed", ctypes.c_uint64),
        ("call", ctypes.c_char * 64),
        ("path", ctypes.c_char * 1024),
        ("phase", ctypes.c_int64),
    )

    @classmethod
    def at(cls, path: Path) -> "Control":
        """The page in a file that is there."""
        with path.open("r+b") as file:
            return cls.from_buffer(mmap.mmap(file.fileno(), ctypes.sizeof(cls)))

    @classmethod
    def of_environment(cls) -> "Control":
        """The page that this process is under, else one that nobody shares."""
        path = os.environ.get(PAGE)
        return cls.at(Path(path)) if path else cls()

    def arm(self, root: Path, first: int = 0, last: int = 0, failure: int = 0) -> None:
        """Count the changes below a root from here on, and harm those from `first` to `last`.

        Args:
            root: the data root.
            first: the first change that is harmed, from 1; 0: none is.
            last: the last one.
            failure: the errno they fail with; 0: the process group is killed before the first.
        """
        self.root = b""
        self.steps = self.harmed = self.group = self.phase = 0
        self.call = self.path = b""
        self.first, self.last, self.failure = first, last, failure
        self.root = os.fsencode(root)


def environment(directory: Path) -> dict[str, str]:
    """Compile the library into a directory, and give the variables that load it.

    Raises:
        FileNotFoundError: there is no C compiler.
    """
    library, page = directory / "failing_writes.so", directory / "control"
    compiler = ["cc", "-shared", "-fPIC", "-O1"]
    subprocess.run([*compiler, "-o", str(library), str(_SOURCE), "-ldl"], check=True)
    page.write_bytes(bytes(ctypes.sizeof(Control)))
    return {"LD_PRELOAD": str(library), PAGE: str(page)}
