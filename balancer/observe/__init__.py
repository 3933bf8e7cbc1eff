"""Counters and records up: events, metrics and live views, with names for what the kernel holds.

Everything here reads. What it reads are the live maps, the ring of events, the state file and cgroups;
nothing here decides what is written to a map.
"""
