"""What the product costs, as ratios: against talking directly, against the alternatives, against the bare parse.

Run as ``python -m tests.bench`` (``make bench``). Nothing here imports the product: it is measured from
outside, as a whole process and by the kernel's own statistics. No test asserts a time.
"""
