"""Lines of block YAML, as kubectl and other programs print it, taken apart; anything else is not judged.

An expression splits every line into its frame (indentation, key, the kind of its value), which repeats
from object to object, and the value. What could be read in two ways does not match: comments, anchors,
tags, flow style, tabs, odd numbers, words such as `yes`, strings over several lines unless in single
quotes. Never says that a text is wrong.
"""

from __future__ import annotations

import re

# Possessive repeats are kept to single characters: CPython before 3.11.5 goes wrong with those of groups.
# Of alternatives the most frequent comes first: this expression is most of the time that reading takes.

# Letters beyond ASCII that YAML and JSON take for themselves: no spaces, line breaks or controls.
_WIDE = r"\u00a1-\u1fff\u3001-\ud7ff"
_KEY = (
    r"[A-Za-z0-9.][-A-Za-z0-9_./]{0,400}+"
    r'(?::(?=[ \n])|(?>(?::(?![ \n])[-A-Za-z0-9_./{}",=]{0,100}+){1,5}):)'
)
_MORE = rf"-A-Za-z0-9./=+@,;()<>$&*!?#%~|^{_WIDE}"


def _plain(first: str, more: str) -> str:
    """A string without quotes to the end of its line; in it ": " and " #" would have a meaning."""
    return rf"[{first}][{more}]*+(?:(?=\n)|(?>(?:(?::{{1,2}}| (?![#:]))[{more}]++)*)(?=\n))"


_BARE = r"(?:0|-?[1-9][0-9]{0,17}|true|false|null)"
_WORD = (
    r"(?:[yYnN]|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF|true|True|TRUE|false|False|FALSE|null|Null|NULL)"
)
_NUMBER = r"[0-9]+(?:\.?[0-9]*(?:[eE][-+]?[0-9]+)?|[xXbBoO][0-9a-fA-F]+)"
_SAFE = rf"[ !#-\[\]-~{_WIDE}]*+"
_DOUBLE = rf'"{_SAFE}(?>(?:\\(?:["\\bfnrt]|u(?![dD][89a-fA-F])[0-9a-fA-F]{{4}}){_SAFE})*)"'
_INSIDE = rf"[ -&(-~{_WIDE}]*+"
_SINGLE = rf"'{_INSIDE}(?>(?:(?:''|\n+(?= )){_INSIDE})*)'(?!')"
_VALUE = "|".join(
    (
        _plain("a-eg-mp-su-xzA-EG-MP-SU-XZ/_$", _MORE + "_"),
        rf"(?!{_WORD}\n){_plain('fnotyFNOTY', _MORE + '_')}",
        rf"(?!{_NUMBER}\n){_plain('0-9', _MORE)}",
        rf"(?:{_BARE}|{_DOUBLE}|{_SINGLE})(?=\n)",
    )
)
_CONTENT = rf"[ -~{_WIDE}]*+(?<! )\n"
_BLOCK = rf"{_CONTENT}(?>(?:\2{_CONTENT}|\n)*)"

# The end of the frame tells the kind of value: a line break none (or an empty mapping or list), ":" or
# "-" a plain string, a space a number, a word or a quoted string; spaces after a line break a block.
LINE = re.compile(
    rf"^((?:[ ]*+(?:-[ ])?+{_KEY}|[ ]*+-)"
    rf"(?:(?=[ ][a-eg-mo-su-zA-Z/_$])|[ ](?={_BARE}\n|[\"'])|\n|(?=[ ][A-Za-z0-9])"
    r"|[ ](?:\{\}|\[\])\n|[ ]\|-?\n([ ]++)(?!\n)))"
    rf"(?:(?<=\n)|(?:(?<=[:-])[ ]|(?<=[ ]))((?(2){_BLOCK}|(?:{_VALUE})))\n?+)",
    re.MULTILINE,
)
