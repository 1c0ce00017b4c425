"""A TCP proxy between the site and one of its services, so that the service can go away for this site alone."""

import contextlib
import select
import socket
import threading
import time
from collections.abc import Iterator
from typing import Final

PIECE: Final = 2**16


class Proxy:
    """Forwards to `host:port` from a port of its own.

    `cut()`: connections break and new ones are refused, as from a server that is down. `hush()`: connections stay and nothing
    goes through, as behind a pulled cable. `heal()`: all is well again."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._open: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self._flows = threading.Event()
        self._flows.set()
        self.port = 0
        self.heal()

    def cut(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            # Closing alone leaves a thread in accept(), and the port with it.
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def hush(self) -> None:
        self._flows.clear()

    def heal(self) -> None:
        self._flows.set()
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port), reuse_port=False)
            self.port = int(self._listener.getsockname()[1])
            threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._target, timeout=10)
        except OSError:
            client.close()
            return
        server.settimeout(None)
        pair = {client: server, server: client}
        self._open |= set(pair)
        try:
            self._forward(pair)
        except OSError:
            pass
        finally:
            self._open -= set(pair)
            client.close()
            server.close()

    def _forward(self, pair: dict[socket.socket, socket.socket]) -> None:
        while True:
            ready = select.poll()
            for one in pair:
                ready.register(one, select.POLLIN)
            came = {number for number, _ in ready.poll()}
            for one in [one for one in pair if one.fileno() in came]:
                data = one.recv(PIECE)
                if not data:
                    return
                self._flows.wait()
                pair[one].sendall(data)


@contextlib.contextmanager
def away(proxy: Proxy, seconds: float = 0.0, *, silent: bool = False) -> Iterator[None]:
    """The service is away while the block runs, and at least so long."""
    ends = time.monotonic() + seconds
    (proxy.hush if silent else proxy.cut)()
    try:
        yield
        time.sleep(max(0.0, ends - time.monotonic()))
    finally:
        proxy.heal()
