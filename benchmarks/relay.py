"""A slow line on one machine: a TCP relay with a rate, a buffer before the bottleneck, and a delay after it.

What comes from the server is read as soon as the buffer has room (2 MiB as in an SSH tunnel, or next to
nothing as in a slow reader), passes the bottleneck at `--kbit`, and then takes `--delay-ms` to arrive. What
comes from the viewer takes the delay only. The sockets' own buffers are made small, so that the buffer is
the relay's. Serves one server, any number of connections; prints `{"port": …}`; ends with its standard
input or after `--life` s. A line there as `{"kbit": 800, "delay_ms": 40}` changes the line from then on.
Standard library only.

    python benchmarks/relay.py --port 8080 --kbit 4000 --buffer 2097152 --delay-ms 20
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import socket
import sys
from collections import deque

CHUNK = 4096


class Line:
    """One direction of one connection.

    Args:
        shape: `delay_ms`, and where it is `narrow` also `kbit`; as they are at the moment.
    """

    def __init__(
        self,
        source: socket.socket,
        sink: socket.socket,
        buffer: int,
        shape: argparse.Namespace,
        *,
        narrow: bool,
    ) -> None:
        self._source, self._sink = source, sink
        self._buffer, self._shape, self._narrow = buffer, shape, narrow
        self._waiting: deque[bytes] = deque()
        self._held = 0
        self._changed = asyncio.Event()
        self._flying: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def run(self) -> None:
        """Carry bytes until either end is gone."""
        tasks = [asyncio.ensure_future(part()) for part in (self._fill, self._pass, self._arrive)]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _fill(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            while self._held >= self._buffer:
                await self._change()
            data = await loop.sock_recv(self._source, min(CHUNK, self._buffer - self._held))
            if not data:
                return
            self._waiting.append(data)
            self._held += len(data)
            self._changed.set()

    async def _pass(self) -> None:
        loop = asyncio.get_running_loop()
        free_at = loop.time()
        while True:
            while not self._waiting:
                await self._change()
                free_at = max(free_at, loop.time())  # Only idle time is lost, not what a sleep took too long.
            data = self._waiting.popleft()
            if self._narrow:
                free_at += len(data) * 8 / (self._shape.kbit * 1000)
                await asyncio.sleep(free_at - loop.time())
            self._held -= len(data)  # Held until its last byte is through the bottleneck.
            self._changed.set()
            self._flying.put_nowait((loop.time() + self._shape.delay_ms / 1000, data))

    async def _arrive(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            at, data = await self._flying.get()
            if at > loop.time():
                await asyncio.sleep(at - loop.time())
            await loop.sock_sendall(self._sink, data)

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()


async def join(args: argparse.Namespace, viewer: socket.socket) -> None:
    """One viewer's connection, through to the server and back."""
    with viewer, socket.socket() as server:
        if args.receive_buffer:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, args.receive_buffer)
        for end in (viewer, server):
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        viewer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * CHUNK)
        await asyncio.get_running_loop().sock_connect(server, ("127.0.0.1", args.port))
        down = Line(server, viewer, args.buffer, args, narrow=True)
        up = Line(viewer, server, 1 << 16, args, narrow=False)
        tasks = [asyncio.ensure_future(line.run()) for line in (down, up)]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def listen(args: argparse.Namespace) -> None:
    """Change the line as standard input says, until that ends."""
    for text in sys.stdin:
        vars(args).update(json.loads(text))


async def serve(args: argparse.Namespace) -> None:
    """Accept viewers until standard input ends."""
    loop = asyncio.get_running_loop()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
    ended = loop.run_in_executor(None, listen, args)
    connections: set[asyncio.Task[None]] = set()

    async def accept() -> None:
        while True:
            viewer, _ = await loop.sock_accept(listener)
            task = asyncio.ensure_future(join(args, viewer))
            connections.add(task)
            task.add_done_callback(connections.discard)

    accepting = asyncio.ensure_future(accept())
    await ended
    for task in (accepting, *connections):
        task.cancel()
    await asyncio.gather(accepting, *connections, return_exceptions=True)


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--port", type=int, required=True, help="where the server listens")
    parser.add_argument("--kbit", type=float, default=4000.0, help="what the bottleneck passes, kbit/s")
    parser.add_argument("--buffer", type=int, default=2 << 20, help="bytes held before the bottleneck")
    parser.add_argument("--delay-ms", type=float, default=0.0, help="one-way delay")
    parser.add_argument(
        "--receive-buffer", type=int, default=16384, help="SO_RCVBUF towards the server; 0 = the system's own"
    )
    parser.add_argument("--life", type=int, default=300, help="seconds after which this process ends anyway")
    args = parser.parse_args()
    signal.alarm(args.life)
    asyncio.run(serve(args))


if __name__ == "__main__":
    main()
