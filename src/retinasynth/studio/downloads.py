"""Files that wait to be fetched from the studio."""

import secrets
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

MOST = 40  # files; of more, the oldest go
LIFE_S = 1800.0
ROUTE = "/downloads"


class Downloads:
    """Files, each at an address that nobody can guess, for half an hour.

    Args:
        folder: where they are kept, made where missing.

    Attributes:
        folder: likewise; what they are made of may lie there too, for as long as it takes.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._made: dict[str, tuple[str, float]] = {}  # name and time, by word
        self._lock = threading.Lock()

    def add(self, name: str, write: Callable[[Path], None]) -> str:
        """Let `write` make a file of that name; returns its address on this server.

        What `write` raises is passed on, and nothing is left behind.
        """
        word = secrets.token_urlsafe(16)
        folder = self.folder / word
        folder.mkdir()
        try:
            write(folder / name)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        with self._lock:
            self._made[word] = (name, time.monotonic())
            self._forget()
        later = threading.Timer(LIFE_S + 1, self.find, (word, name))  # which forgets
        later.daemon = True
        later.start()
        return f"{ROUTE}/{word}/{name}"

    def find(self, word: str, name: str) -> Path | None:
        """The file at an address, or None where there is none any more."""
        with self._lock:
            self._forget()
            known = self._made.get(word)
        return self.folder / word / name if known and known[0] == name else None

    def _forget(self) -> None:
        now, words = time.monotonic(), list(self._made)
        for number, word in enumerate(words):
            if number < len(words) - MOST or now - self._made[word][1] > LIFE_S:
                del self._made[word]
                shutil.rmtree(self.folder / word, ignore_errors=True)
