"""Lines of block YAML, as kubectl and other programs print it, taken apart; anything else is not judged.

An expression splits every line into its frame (indentation, key, the kind of its value), which repeats
from object to object, and the value. What could be read in two ways does not match: comments, anchors,
tags, flow style, tabs, odd numbers, words such as `yes`, strings over several lines unless in single
quotes. Never says that a text is wrong.
"""

from __future__ import annotations

import functools
import re

# Possessive repeats are kept to single characters: CPython before 3.11.5 goes wrong with those of groups.
# Of alternatives the most frequent comes first: this expression is most of the time that reading takes.

# Letters beyond ASCII that YAML and JSON take for themselves: no spaces, line breaks or controls.
_WIDE = r"\u00a1-\u1fff\u3001-\ud7ff"
_KEY = (
    r"[A-Za-z0-9.][-A-Za-z0-9_./]{0,400}+"
    r'(?::(?=[ \n])|(?>(?::(?![ \n])[-A-Za-z0-9_./{}",=]{0,100}+){1,5}):)'
)
BARE = r"(?:0|-?[1-9][0-9]{0,17}|true|false|null)"
WORD = r"(?:[yYnN]|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF|true|True|TRUE|false|False|FALSE|null|Null|NULL)"
NUMBER = r"[0-9]+(?:\.?[0-9]*(?:[eE][-+]?[0-9]+)?|[xXbBoO][0-9a-fA-F]+)"
MORE = r"-A-Za-z0-9./=+@,;()<>$&*!?#%~|^"


def find_lines(text: str) -> list[tuple[str, str, str]]:
    """Every line that is recognised: its frame, the indentation of a block (else ""), and the value.

    The end of the frame tells the kind of value: a line break none (or an empty mapping or list), ":" or
    "-" a plain string, a space a number, a word or a quoted string; spaces after a line break a block.
    """
    return _expression("" if text.isascii() else _WIDE).findall(text)


@functools.cache
def _expression(wide: str) -> re.Pattern[str]:
    """`wide` are the letters beyond ASCII: compiling them takes ten times as long as all else, and few texts
    have any.
    """
    content = rf"[ -~{wide}]*+(?<! )\n"
    block = rf"{content}(?>(?:\2{content}|\n)*)"
    return re.compile(
        rf"^((?:[ ]*+(?:-[ ])?+{_KEY}|[ ]*+-)"
        rf"(?:(?=[ ][a-eg-mo-su-zA-Z/_$])|[ ](?={BARE}\n|[\"'])|\n|(?=[ ][A-Za-z0-9])"
        r"|[ ](?:\{\}|\[\])\n|[ ]\|-?\n([ ]++)(?!\n)))"
        rf"(?:(?<=\n)|(?:(?<=[:-])[ ]|(?<=[ ]))((?(2){block}|(?:{_value(wide)})))\n?+)",
        re.MULTILINE,
    )


def _value(wide: str) -> str:
    """Any value in one line, and strings in single quotes over several."""
    more = f"{MORE}{wide}"
    safe = rf"[ !#-\[\]-~{wide}]*+"
    double = rf'"{safe}(?>(?:\\(?:["\\bfnrt]|u(?![dD][89a-fA-F])[0-9a-fA-F]{{4}}){safe})*)"'
    inside = rf"[ -&(-~{wide}]*+"
    single = rf"'{inside}(?>(?:(?:''|\n+(?= )){inside})*)'(?!')"
    return "|".join(
        (
            _plain("a-eg-mp-su-xzA-EG-MP-SU-XZ/_$", more + "_"),
            rf"(?!{WORD}\n){_plain('fnotyFNOTY', more + '_')}",
            rf"(?!{NUMBER}\n){_plain('0-9', more)}",
            rf"(?:{BARE}|{double}|{single})(?=\n)",
        )
    )


def _plain(first: str, more: str) -> str:
    """A string without quotes to the end of its line; in it ": " and " #" would have a meaning."""
    return rf"[{first}][{more}]*+(?:(?=\n)|(?>(?:(?::{{1,2}}| (?![#:]))[{more}]++)*)(?=\n))"
