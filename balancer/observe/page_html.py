"""The status page as one document: the parts below page/ joined, so that it needs nothing else.

The parts are files of their own so that they can be read and checked as what they are. A page that runs
only what matches a hash needs the hash of the very text that it holds.
"""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import NamedTuple

SCRIPTS = ("text.js", "model.js", "list.js", "picture.js", "views.js", "page.js")
"""In this order, one after the other."""


class Document(NamedTuple):
    """`html` is UTF-8; the hashes are sources as a Content-Security-Policy names them, without quotes."""

    html: bytes
    script_hash: str
    style_hash: str


def document() -> Document:
    """Reads the parts. They are code of ours: what the page shows is never put into them."""
    folder = files("balancer.observe") / "page"
    style = (folder / "page.css").read_text("utf-8")
    script = "'use strict';\n" + "".join((folder / name).read_text("utf-8") for name in SCRIPTS)
    html = (folder / "page.html").read_text("utf-8")
    html = html.replace("<!-- style -->", f"<style>{style}</style>")
    html = html.replace("<!-- script -->", f"<script>{script}</script>")
    return Document(html.encode(), _hash(script), _hash(style))


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
