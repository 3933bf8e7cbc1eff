"""What the kernel tests stand on: cgroups, bpffs, network namespaces, real servers and real clients.

Nothing here imports the product: the tests drive it through its command line alone, so that a change
of its insides cannot change what they check. Everything made here carries the number of the process
that made it, and is removed at the end of the run, or by the next run when this one was killed.
"""
