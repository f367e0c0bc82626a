"""The configuration that a server last served, for workers that start later, whatever the file says then."""

from __future__ import annotations

import os


class Accepted:
    """
    The content of a configuration file, in memory that all workers of a server share.

    Without it the loss of one worker would end the others, because gunicorn ends a server whose workers do not start.
    To be made before the first worker; only Linux has such memory.
    """

    def __init__(self) -> None:
        self._file = os.memfd_create("scanner-policies")

    @property
    def content(self) -> bytes | None:
        """What was kept last; None while there is nothing."""
        return os.pread(self._file, os.fstat(self._file).st_size, 0) or None

    def keep(self, content: bytes) -> None:
        """Replace it. Workers that do so at once all write the same."""
        os.pwrite(self._file, content, 0)
        os.ftruncate(self._file, len(content))
