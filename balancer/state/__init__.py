"""What a pass leaves behind for the next command: names for map entries, and how it went. `file` is the way in."""

from balancer.state.file import State as State
from balancer.state.file import changing as changing
from balancer.state.file import count_failure as count_failure
from balancer.state.file import label_policies as label_policies
from balancer.state.file import last_good_path as last_good_path
from balancer.state.file import load as load
from balancer.state.file import names_digest as names_digest
from balancer.state.file import names_path as names_path
from balancer.state.file import note as note
from balancer.state.file import outcome as outcome
from balancer.state.file import save as save
from balancer.state.file import save_again as save_again
from balancer.state.file import save_change as save_change
from balancer.state.file import since as since
from balancer.state.labels import VERSION as VERSION
from balancer.state.labels import Label as Label
from balancer.state.labels import label_frontends as label_frontends
