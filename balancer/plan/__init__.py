"""The difference between desired and actual maps, as a value that can be printed and applied.

Pure: works on bytes and integers. `encode` turns the desired state into logical entries, `blocks`
places backend lists, `diff` makes the ordered writes, `capacity` and `brakes` refuse, `execute` plays
a plan against any `MapStore`.
"""
