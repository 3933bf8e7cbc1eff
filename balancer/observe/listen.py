"""Where to listen, as an option says it. Apart from the server, so that `--help` need not import one."""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_address
from typing import Any

import click

LOOPBACK = "127.0.0.1"
_FORM = re.compile(r"(?:\[(?P<six>[^\]]*)\]|(?P<four>[^:\[\]]*)):(?P<port>[0-9]{1,5})")
_MAX_PORT = 65535


def parse_listen(text: str) -> tuple[str, int]:
    """Address and port of ``127.0.0.1:9464``, ``[::1]:9464``, ``localhost:9464`` or ``:9464``, which is
    loopback as well. Port 0 is any free one. Raises ValueError with a sentence.
    """
    match = _FORM.fullmatch(text)
    if match is None or int(match["port"]) > _MAX_PORT:
        raise ValueError(
            f"{text!r} is not ADDRESS:PORT, such as 127.0.0.1:9464, [::1]:9464 or :9464 for loopback"
        )
    host = match["six"] if match["six"] is not None else match["four"]
    if host in ("", "localhost") and match["six"] is None:
        return LOOPBACK, int(match["port"])
    try:
        address = ip_address(host)
    except ValueError:
        raise ValueError(f"{host!r} is not an IP address; names are not looked up") from None
    if isinstance(address, IPv6Address) != (match["six"] is not None):
        raise ValueError(f"{text!r}: an IPv6 address, and only that, is written in brackets")
    return str(address), int(match["port"])


class ListenType(click.ParamType):  # type: ignore[type-arg]  # generic only since click 8.4
    """`parse_listen` as the type of an option."""

    name = "address:port"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """The parsed pair; a pair is taken as it is."""
        if isinstance(value, tuple):
            return value
        try:
            return parse_listen(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


LISTEN = ListenType()
