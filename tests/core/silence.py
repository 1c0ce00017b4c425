"""Services that accept a connection and say nothing, or fall silent in the middle of it."""

import contextlib
import selectors
import socket
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def bare_socket() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield server.getsockname()[1]


class Proxy:
    """Passes bytes between its port and a service, until `silent` is set: then it swallows them."""

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        self.silent = threading.Event()
        self._ended = threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._ended.set()
        self._server.close()

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                caller, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(caller,), daemon=True).start()

    def _serve(self, caller: socket.socket) -> None:
        with caller, contextlib.suppress(OSError):
            while self.silent.is_set():
                if self._ended.wait(0.05):
                    return
            with socket.create_connection(self.target) as service, selectors.DefaultSelector() as ready:
                ready.register(caller, selectors.EVENT_READ, service)
                ready.register(service, selectors.EVENT_READ, caller)
                while not self._ended.is_set():
                    for key, _ in ready.select(0.05):
                        data = key.fileobj.recv(65536)
                        if not data:
                            return
                        if not self.silent.is_set():
                            key.data.sendall(data)


@contextlib.contextmanager
def proxied(host: str, port: int) -> Iterator[Proxy]:
    proxy = Proxy(host, port)
    try:
        yield proxy
    finally:
        proxy.close()
