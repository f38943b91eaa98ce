"""A TCP proxy on loopback whose cable can be pulled: for outages without touching either end."""

import contextlib
import socket
import threading
from types import TracebackType


class TcpProxy:
    """Forwards `port` on loopback to `upstream`. `cut()` drops everything and refuses; `mend()` forwards again."""

    def __init__(self, upstream: tuple[str, int]) -> None:
        self._upstream = upstream
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._up = True
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> "TcpProxy":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut()
        self._listener.close()

    def cut(self) -> None:
        """No network: open connections break, new ones are closed at once."""
        with self._lock:
            self._up = False
            for one in self._sockets:
                _break(one)
            self._sockets.clear()

    def lead_to(self, upstream: tuple[str, int]) -> None:
        """Elsewhere from now on; what is open breaks."""
        self.cut()
        self._upstream = upstream
        self.mend()

    def mend(self) -> None:
        """The network is back."""
        with self._lock:
            self._up = True

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if not self._up:
                    _break(client)
                    continue
                try:
                    server = socket.create_connection(self._upstream, timeout=5)
                except OSError:
                    client.close()
                    continue
                server.settimeout(None)
                self._sockets |= {client, server}
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=_pump, args=(source, target), daemon=True).start()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(65536):
            target.sendall(chunk)
    _break(source)
    _break(target)


def _break(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
