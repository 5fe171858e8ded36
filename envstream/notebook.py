"""The live page inside a notebook's cell."""

from __future__ import annotations

import html
import json
import os
from urllib.parse import quote, urlsplit

from envstream.links.channel import Channel

_HEIGHT = 420

# The kernel cannot know from where the browser looks. On the same machine, or through a forwarded port,
# the page is at its own address; elsewhere Jupyter's proxy leads to it.
_SCRIPT = """
(function () {
  const frame = document.getElementById(%(id)s);
  const local = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname)
    || location.protocol.startsWith("vscode");
  let base = %(prefix)s;
  const settings = document.getElementById("jupyter-config-data");
  if (settings) { try { base = JSON.parse(settings.textContent).baseUrl || base; } catch (error) { } }
  if (document.body && document.body.dataset.baseUrl) { base = document.body.dataset.baseUrl; }
  frame.src = local ? %(direct)s : base + %(proxied)s;
})();
"""


def inline_page(url: str, channel: Channel | None) -> str:
    """HTML that shows the page at `url` inline, directly or through Jupyter's proxy."""
    parts = urlsplit(url)
    token = f"{parts.query}&" if parts.query else ""
    stream = f"#stream={quote(channel.name)}" if channel is not None else ""
    query = f"?{token}embed=1{stream}"
    name = "envstream-" + os.urandom(6).hex()
    values = {
        "id": json.dumps(name),
        "prefix": json.dumps(os.environ.get("JUPYTERHUB_SERVICE_PREFIX", "/")),
        "direct": json.dumps(f"{parts.scheme}://{parts.netloc}/{query}"),
        "proxied": json.dumps(f"proxy/{parts.port}/{query}"),
    }
    # "</" would end the script element inside HTML.
    script = (_SCRIPT % values).replace("</", "<\\/")
    address = html.escape(f"{parts.scheme}://{parts.netloc}/")
    return (
        f'<iframe id="{name}" title="envstream" allow="fullscreen" '
        f'style="width:100%;height:{_HEIGHT}px;border:0;border-radius:8px"></iframe>'
        f"<script>{script}</script><small>envstream: {address}</small>"
    )
