"""What one destination gets, and the objects that say so: from the live maps, or from files alone.

Both answers come from the same pure look-up and have the same shape. Nothing here writes. What the kernel
does is told from the maps; the manifests only say why something is not in them, and whether they are
still those of the last pass.
"""

from balancer.explain.answer import file_destinations, file_resolve, live_destinations, live_resolve

__all__ = ["file_destinations", "file_resolve", "live_destinations", "live_resolve"]
