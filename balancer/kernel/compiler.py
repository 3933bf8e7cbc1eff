"""Compiles, loads and pins the programs with BCC, without kernel headers.

BCC is imported only here and only when programs have to be loaded: it brings LLVM with it.
"""

from __future__ import annotations

import contextlib
import os
import platform
import resource
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from balancer.errors import HostUnfit
from balancer.kernel import libbpf
from balancer.kernel.hooks import ATTACH_TYPE, Hook
from balancer.kernel.host import kernel_release
from balancer.kernel.pins import Generation
from balancer.kernel.source import joined_source, source_dir

# bpf_set_retval, which gives a refused call its errno, came with Linux 5.18.
SET_RETVAL_SINCE = (5, 18)
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


def compile_text(maps: Path, sizes: Mapping[str, int]) -> Any:
    """A bcc.BPF object of the source. Its maps are those pinned at `maps`; what is missing is made."""
    bcc = import_bcc()
    if not UAPI_HEADER.exists():
        raise HostUnfit(f"{UAPI_HEADER} is missing", hint="install it with: apt-get install linux-libc-dev")
    triple = sysconfig.get_config_var("MULTIARCH") or f"{platform.machine()}-linux-gnu"
    cflags = ["-I/usr/include", f"-I/usr/include/{triple}", f'-DPIN_DIR="{maps}"', *flags()]
    cflags += [f"-DSIZE_{name.upper()}={size}" for name, size in sorted(sizes.items())]
    try:
        return bcc.BPF(text=joined_source().encode(), cflags=cflags)
    except Exception as error:  # noqa: BLE001 - BCC raises bare Exception
        raise HostUnfit(
            f"the BPF programs cannot be compiled, or their maps made, here: {error}",
            hint="the messages above say why; see `balancer doctor`",
        ) from None


def load(generation: Generation, sizes: Mapping[str, int]) -> None:
    """Makes the missing maps of a generation and pins its programs. Attaches nothing."""
    _lift_memory_lock()
    module = compile_text(generation.maps, sizes)
    bpf = import_bcc().BPF
    for hook in Hook:
        try:
            function = module.load_func(hook.encode(), bpf.CGROUP_SOCK_ADDR, attach_type=ATTACH_TYPE[hook])
        except Exception as error:  # noqa: BLE001 - BCC raises bare Exception
            raise HostUnfit(
                f"the kernel does not accept program {hook}: {error}",
                hint="the verifier's messages are above; see `balancer doctor`",
            ) from None
        libbpf.obj_pin(function.fd, generation.programs / hook)
    module.cleanup()


def _lift_memory_lock() -> None:
    # Kernels before 5.11 account maps against RLIMIT_MEMLOCK.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
