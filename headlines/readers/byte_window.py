"""`ByteWindow`: reads a file ahead, and goes back to what was read."""

from io import BufferedReader

_PEEK, _READ = 8 << 10, 1 << 20
_MAX_KEPT = 32 << 20


class ByteWindow:
    """Bytes of a file from the first one that may be read again.

    Attributes:
        data: all that was read and not dropped.
        position: in `data`, of what `readline` returns next.
        keeps: whether lines stay in `data` when they were read. It ends by itself when there are
            too many of them.
    """

    def __init__(self, file: BufferedReader) -> None:
        self.data = b""
        self.position = 0
        self.keeps = True
        self._file = file

    def fill(self, size: int) -> None:
        """Read until `data` has `size` bytes or the file ends."""
        if len(self.data) < size:
            self.data += self._file.read(size - len(self.data))

    def drop(self, size: int) -> None:
        """Drop the first bytes; the next line is then the first one."""
        self.data, self.position = self.data[size:], 0

    def readline(self, limit: int) -> bytes:
        """The next line with its LF, but at most `limit` bytes; empty at the end."""
        searched = self.position
        while True:
            end = self.data.find(b"\n", searched, self.position + limit) + 1
            if end:
                break
            end = min(len(self.data), self.position + limit)
            searched = len(self.data) - self.position
            if end == self.position + limit or not self._read_more():
                break
            searched += self.position
        line = self.data[self.position : end]
        self.position = end
        return line

    def peek(self) -> bytes:
        """Some of the bytes that come next."""
        return self.data[self.position : self.position + _PEEK]

    def read(self, size: int) -> bytes:
        """The next bytes, of those that `peek` returned."""
        start = self.position
        self.position += size
        return self.data[start : self.position]

    def _read_more(self) -> bool:
        more = self._file.read(_READ)
        if len(self.data) > _MAX_KEPT:
            self.keeps = False
        if self.keeps:
            self.data += more
        else:
            self.data, self.position = self.data[self.position :] + more, 0
        return bool(more)
