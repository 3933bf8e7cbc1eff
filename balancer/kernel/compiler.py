"""Compiles the programs with BCC, without kernel headers.

BCC is imported only here and only when programs have to be loaded: it brings LLVM with it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import resource
import sysconfig
from pathlib import Path
from typing import Any

from balancer.errors import HostUnfit
from balancer.kernel.beside import beside
from balancer.kernel.host import kernel_release
from balancer.kernel.source import joined_source, source_dir

# bpf_set_retval, which gives a refused call its errno, came with Linux 5.18.
SET_RETVAL_SINCE = (5, 18)
_CLONE_FS = 0x200
UAPI_HEADER = Path("/usr/include/linux/bpf.h")


def flags() -> tuple[str, ...]:
    """The compiler flags that change what the programs do; part of the build id."""
    return ("-DHAVE_SET_RETVAL",) if kernel_release() >= SET_RETVAL_SINCE else ()


def import_bcc() -> Any:
    """The bcc module of the distribution; `HostUnfit` says how to install it.

    The `bcc` on PyPI is another thing: it has no BPF class.
    """
    # Read by BCC before its first compilation.
    os.environ["BCC_KERNEL_SOURCE"] = str(source_dir())
    hint = (
        "install it with: apt-get install python3-bpfcc; a virtual environment needs --system-site-packages"
    )
    try:
        import bcc
    except ImportError as error:
        raise HostUnfit(f"BCC for Python is not installed ({error})", hint=hint) from None
    if not hasattr(bcc, "BPF"):
        raise HostUnfit("the bcc module found is not the BPF Compiler Collection", hint=hint)
    return bcc


def compile_text() -> Any:
    """A bcc.BPF object of the source. Its maps are as small as they may be and nowhere pinned."""
    bcc = import_bcc()
    if not UAPI_HEADER.exists():
        raise HostUnfit(f"{UAPI_HEADER} is missing", hint="install it with: apt-get install linux-libc-dev")
    lift_memory_lock()
    triple = sysconfig.get_config_var("MULTIARCH") or f"{platform.machine()}-linux-gnu"
    # BCC optimizes once more by itself: -O2, its default, takes a seventh longer and gives programs as fast and larger.
    cflags = ["-O1", "-I/usr/include", f"-I/usr/include/{triple}", *flags()]
    try:
        return bcc.BPF(text=joined_source().encode(), cflags=cflags)
    except Exception as error:  # noqa: BLE001 - BCC raises bare Exception
        raise HostUnfit(
            f"the BPF programs cannot be compiled here: {error}",
            hint="the messages above say why; see `balancer doctor`",
        ) from None


def map_fd(module: Any, name: str) -> int:
    """The module's own descriptor of a map, which its programs name."""
    fd: int = import_bcc().lib.bpf_table_fd(module.module, name.encode())
    if fd < 0:
        raise HostUnfit(f"the BPF source has no map {name}", hint="install balancer again")
    return fd


class CompiledAhead:
    """A compilation that goes on in a thread from the moment this is made, while the process does other things."""

    def __init__(self) -> None:
        self._module = beside(_compile_aside)

    def __call__(self) -> Any:
        """The module, as `compile_text` gives it, with its errors. To be called once."""
        module = self._module.result()
        return compile_text() if module is None else module


def _compile_aside() -> Any:
    """None where it would get in the way: BCC changes the working directory while it compiles, which is the
    directory of all threads unless this one gets its own.
    """
    if ctypes.CDLL(None).unshare(_CLONE_FS) != 0:
        return None
    return compile_text()


def lift_memory_lock() -> None:
    """Kernels before 5.11 account maps against RLIMIT_MEMLOCK."""
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
