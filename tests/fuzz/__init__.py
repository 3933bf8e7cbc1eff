"""Hostile input: generators of it, and an oracle that shares no code with the reader."""
