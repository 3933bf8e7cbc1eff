"""Text and JSON for people and for programs; the only package that prints.

`jsonable` turns values into what `json.dumps` takes, `plans` and `text` turn them into lines and
tables, `console` writes. Nothing here decides anything: what is shown has been worked out before.
"""
