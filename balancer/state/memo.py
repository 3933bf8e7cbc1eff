"""What a pass that converged keeps, so that the next one over the same files need only see that nothing changed.

A memo is believed where each of its digests fits what is there now, and else it is as if there were none: it may
save work, and never decides anything.
"""

from __future__ import annotations

from dataclasses import dataclass

from balancer.model.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Memo:
    """Digests of the `files` (their names and contents), of everything else that decided (`basis`), of the
    live `maps` as the pass left them, and of the file of `names` beside the state file.

    `found` are the problems of the files, none of them an error, as a pass tells them before it begins; `said`
    are those that came up in the pass and come up again while the maps are the same.
    """

    files: str
    basis: str
    maps: str
    names: str = ""
    found: tuple[Problem, ...] = ()
    said: tuple[Problem, ...] = ()
