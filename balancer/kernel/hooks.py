"""The eight hooks: the name of the program, of its pin and of its link, and the kernel's attach type."""

from __future__ import annotations

import enum


class Hook(enum.StrEnum):
    CONNECT4 = "connect4"
    CONNECT6 = "connect6"
    SENDMSG4 = "sendmsg4"
    SENDMSG6 = "sendmsg6"
    RECVMSG4 = "recvmsg4"
    RECVMSG6 = "recvmsg6"
    GETPEERNAME4 = "getpeername4"
    GETPEERNAME6 = "getpeername6"


# enum bpf_attach_type of the kernel's user API.
ATTACH_TYPE = {
    Hook.CONNECT4: 10,
    Hook.CONNECT6: 11,
    Hook.SENDMSG4: 14,
    Hook.SENDMSG6: 15,
    Hook.RECVMSG4: 19,
    Hook.RECVMSG6: 20,
    Hook.GETPEERNAME4: 29,
    Hook.GETPEERNAME6: 30,
}
