"""A Redis of a benchmark's own: `redis-server` at a free port, with nothing on disk; what it says."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from types import TracebackType

from common import START_SECONDS


class Broker:
    """The server; it can be killed, and started again at the same port.

    Raises:
        SystemExit: there is no `redis-server` here.
    """

    def __init__(self) -> None:
        program = shutil.which("redis-server")
        if program is None:
            raise SystemExit("this needs redis-server: apt-get install redis-server")
        self._program = program
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def __enter__(self) -> Broker:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Start it; it answers when this returns."""
        words = {"port": self.port, "bind": "127.0.0.1", "save": "", "appendonly": "no"}
        options = [text for key, value in words.items() for text in (f"--{key}", str(value))]
        self.process = subprocess.Popen([self._program, *options], stdout=subprocess.DEVNULL)
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                self.info("server")
                return
            time.sleep(0.01)
        raise RuntimeError(f"redis-server does not answer at port {self.port}")

    def kill(self) -> None:
        """End it as a machine does that has no memory left."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def info(self, section: str) -> dict[str, str]:
        """What `INFO` says.

        Raises:
            OSError: it does not answer.
        """
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as line:
            line.sendall(f"INFO {section}\r\n".encode())
            data = line.recv(1 << 16)
            head, _, rest = data.partition(b"\r\n")
            while len(rest) < int(head[1:] or 0):
                more = line.recv(1 << 16)
                if not more:
                    raise ConnectionError("redis-server hung up")
                rest += more
        pairs = (text.partition(":") for text in rest.decode().splitlines() if ":" in text)
        return {key: value for key, _, value in pairs}

    def bytes(self) -> tuple[int, int]:
        """Bytes in and out so far, of all connections."""
        said = self.info("stats")
        return int(said["total_net_input_bytes"]), int(said["total_net_output_bytes"])

    def cpu(self) -> float:
        """Its CPU seconds so far."""
        said = self.info("cpu")
        return float(said["used_cpu_sys"]) + float(said["used_cpu_user"])


def free_port() -> int:
    """A port that nobody has just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
