"""Puts on the restrictions that a service manager's unit asks for, then becomes the command.

Arguments: the allowed system calls, comma-separated; the command. Seccomp by libseccomp, which systemd uses too;
what is not allowed fails with EPERM. Like MemoryDenyWriteExecute=, RestrictNamespaces=net and
RestrictAddressFamilies=AF_UNIX AF_NETLINK AF_INET AF_INET6, with NoNewPrivileges=.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys

_ALLOW, _DENY = 0x7FFF0000, 0x00050000 | errno.EPERM
_EQUAL = 4  # enum scmp_compare: SCMP_CMP_EQ
_CLONE_NEWNET = 0x40000000
_FAMILIES = (1, 2, 10, 16)
_PR_SET_NO_NEW_PRIVS, _PR_SET_MDWE = 38, 65
# Allowed only with one of these values as the argument of that number.
_ONLY = {"socket": (0, _FAMILIES), "setns": (1, (_CLONE_NEWNET,)), "unshare": (0, ())}


class _Comparison(ctypes.Structure):
    """struct scmp_arg_cmp."""

    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("a", ctypes.c_uint64),
        ("b", ctypes.c_uint64),
    )


def _restrict(names: list[str]) -> None:
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_rule_add_array.argtypes = (
        *(ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint),
        ctypes.POINTER(_Comparison),
    )
    library.seccomp_load.argtypes = (ctypes.c_void_p,)
    context = library.seccomp_init(_DENY)
    for name in names:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number < 0:  # of another architecture, or newer than the library
            continue
        argument, values = _ONLY.get(name, (0, None))
        rules = [None] if values is None else [_Comparison(argument, _EQUAL, value, 0) for value in values]
        for rule in rules:
            count = 0 if rule is None else 1
            _check(library.seccomp_rule_add_array(context, _ALLOW, number, count, rule))
    _check(library.seccomp_load(context))


def _check(result: int) -> None:
    if result:
        raise OSError(abs(result), os.strerror(abs(result)))


def main() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    for option in (_PR_SET_NO_NEW_PRIVS, _PR_SET_MDWE):
        if libc.prctl(option, 1, 0, 0, 0):
            raise OSError(ctypes.get_errno(), f"prctl {option}")
    _restrict(sys.argv[1].split(","))
    os.execvp(sys.argv[2], sys.argv[2:])


main()
