"""The agent: passes forever, what it says of them, and whether it is well.

It never makes things worse than they are: an error ends a pass and not the agent, and what cannot be read
keeps what it had.
"""

from balancer.agent.journal import Journal, Once
from balancer.agent.loop import Agent, World
from balancer.agent.signals import signals
from balancer.agent.standing import Standing

__all__ = ["Agent", "Journal", "Once", "Standing", "World", "signals"]
