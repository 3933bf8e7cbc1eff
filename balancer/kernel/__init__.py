"""Effects on this host's kernel: programs, maps, attachment, cgroups, and the checks of `doctor`.

Only this package imports ctypes or bcc. It decides nothing about services: it loads, attaches and
moves bytes, and turns every errno into an error that says what was attempted and what to do.
"""
