"""How the agent stands, as one value that the loop replaces and other threads read.

Whoever asks must never wait for a pass, so there is no lock: a value is made whole, and then put in place
of the one before.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """`converged`: the last attempt did not fail, and nothing was in its way. `ready`: what the files asked for
    has been in force since the agent started. `reason` says in words why not, or what is not quite as it
    should be. `attempts` counts those that have ended.
    """

    converged: bool = False
    ready: bool = False
    reason: str = "the first pass has not ended yet"
    attempts: int = 0
