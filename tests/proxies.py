"""A real reverse proxy, for tests: nginx, which serves something below a path of its own."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from serving import get, until

PATH = "/lab/run-1"


@contextlib.contextmanager
def below_a_path(nginx: str, *ports: int, folder: Path) -> Iterator[int]:
    """The port at which what answers at any of `ports` is to be had below `PATH`."""
    servers = " ".join(f"server 127.0.0.1:{port};" for port in ports)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        own = probe.getsockname()[1]
    (folder / "nginx.conf").write_text(
        f"""
        daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;
        events {{ worker_connections 64; }}
        http {{
            access_log off;
            upstream pages {{ {servers} }}
            server {{
                listen 127.0.0.1:{own};
                location {PATH}/ {{
                    proxy_pass http://pages/;
                    proxy_http_version 1.1; proxy_buffering off; proxy_set_header Host 127.0.0.1;
                    proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";
                    proxy_set_header X-Forwarded-Host $http_host;
                }}
            }}
        }}"""
    )
    proxy = subprocess.Popen([nginx, "-c", str(folder / "nginx.conf")], stderr=subprocess.DEVNULL)
    try:
        until(lambda: _answers(own), "nginx")
        yield own
    finally:
        proxy.terminate()
        proxy.wait(10)


def _answers(port: int) -> bool:
    try:
        return get(port, f"{PATH}/health")[0] == 200
    except OSError:
        return False
