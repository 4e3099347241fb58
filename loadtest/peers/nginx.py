"""nginx answering every request with one constant: the least work a well-made HTTP server can do for an answer."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from loadtest.peers.served import Served, ServerFailed, accepts, free_port, running, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

START_TIMEOUT_S = 10.0
# One parameter of its configuration has to fit into nginx's 4,096-octet buffer.
BODY_OCTETS_MAX = 3500

_CONFIGURATION = """
daemon off;
worker_processes 1;
pid {work}/nginx.pid;
error_log {work}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  client_body_temp_path {work}/client_body;
  proxy_temp_path {work}/proxy;
  fastcgi_temp_path {work}/fastcgi;
  uwsgi_temp_path {work}/uwsgi;
  scgi_temp_path {work}/scgi;
  default_type application/json;
  server {{
    listen 127.0.0.1:{port};
    location / {{ return 200 '{body}'; }}
  }}
}}
"""


def nginx_binary() -> str | None:
    """Return where the distribution's nginx is, or None."""
    return shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))


def nginx_version(binary: str) -> str:
    """Return nginx's version, as "1.22.1"."""
    said = subprocess.run([binary, "-v"], capture_output=True, text=True, check=True).stderr  # noqa: S603 - from PATH
    return said.rpartition("/")[2].strip()


@contextlib.contextmanager
def nginx_peer(binary: str, body: bytes, work: Path) -> Iterator[Served]:
    """Run nginx with one worker that answers `body`; `work` is a folder of its own."""
    port = free_port()
    work.mkdir(parents=True, exist_ok=True)
    configuration = work / "nginx.conf"
    configuration.write_text(
        _CONFIGURATION.format(work=work.resolve(), port=port, body=_quoted(body)), encoding="utf-8"
    )
    with running([binary, "-c", str(configuration.resolve()), "-e", str(work.resolve() / "error.log")]) as master:
        wait_until(
            lambda: accepts(port) and bool(_workers(master.pid)), master, timeout_s=START_TIMEOUT_S, what="nginx"
        )
        yield Served("nginx", f"http://127.0.0.1:{port}", _workers(master.pid)[0])


def _quoted(body: bytes) -> str:
    text = body.decode()
    if "$" in text or len(body) > BODY_OCTETS_MAX:
        raise ServerFailed(f"nginx cannot return this answer as a constant: {len(body)} octets, or a $ in it")
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _workers(master: int) -> list[int]:
    children = Path(f"/proc/{master}/task/{master}/children").read_text(encoding="ascii")
    return [int(pid) for pid in children.split()]
