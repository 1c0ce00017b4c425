"""A way to a server that can fall silent: connections stay open, and nothing passes."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit


class Pipe:
    """Listens on a port of its own and passes everything on to `target`, except while `silent` is set."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.silent = threading.Event()
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._target)
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                while self.silent.is_set():
                    threading.Event().wait(0.05)
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def piped(server: str) -> Iterator[tuple[str, Pipe | None]]:
    """The server's address by way of a pipe; SQLite (no address) has none."""
    if not server:
        yield "", None
        return
    parts = urlsplit(server)
    pipe = Pipe((parts.hostname or "127.0.0.1", parts.port or 0))
    try:
        user = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
        yield urlunsplit(parts._replace(netloc=f"{user}127.0.0.1:{pipe.port}")), pipe
    finally:
        pipe.close()
