"""The desired state kept current: work in proportion to the change, and the same result as `compute`.

No rule is written twice. For an edit, `compute` itself works out a small *part* of the cluster as it was before, and
the same part as it is now; what differs between the two results is what differs in the whole. Why that is so:

1. What an edit touches directly is known: the services edited, those whose slices or Endpoints were edited (by the
   name that they have, or had), and the policies, if one was edited or a pod that one of them selects or selected.
2. A part is closed: it holds whatever is touched, and everything *tied* to a member of it, before or after
   the edit (`ties` lists every way in which one service, or a policy, has a part in what becomes of another).
   No frontend, flag or problem of a member then depends on anything outside of it, and none outside on
   a member. With a service come its slices and Endpoints, with the policies every pod that they select.
3. All parts see the same surroundings: any edit of Nodes that `compute` could see, another host or other
   rules make a whole step. Of what the surroundings give on their own, flags of the machines' addresses and
   problems of nodes, both results hold the same, and it cancels out.
4. What is outside of the part came out the same before, so it stays: frontends by their keys, flags by their
   addresses, problems by their objects. Results of both sides never mix: no key or address of a frontend is a
   member's and another's (it would be a tie), and a problem names the object it is a problem of.
5. Pods that ask not to be translated depend on nothing but themselves: those edited are looked at on their own.

An edit is a whole step too when its part is a large share of the cluster. A result that does not fit what
is held raises `Unfit`; then, as after any other exception, only `restart` is right.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from operator import attrgetter
from typing import NamedTuple

from balancer.desired.compute import compute_around, problem_order, skipped_pods
from balancer.desired.ordered import Sorted, SortedGate
from balancer.desired.part import Holdings, around_parts, chosen_pods
from balancer.desired.step import Step
from balancer.desired.surroundings import Surroundings, look_around
from balancer.desired.ties import POLICIES, Member, Tie, Ties, ties_of_policies, ties_of_service
from balancer.desired.types import Desired, Host, Rules, SkippedPod
from balancer.model.cluster import Cluster
from balancer.model.edit import AnyObject, Edit
from balancer.model.endpoints import Endpoints, EndpointSlice
from balancer.model.node import Namespace, Node, Pod
from balancer.model.policy import BalancingPolicy, LocalRedirectPolicy, Policy
from balancer.model.service import Service

_ALWAYS_FEW = 64
_SHARE = 4
"""A part of more services than the first number, and of more than one in so many of all, is no small part."""


class _Scope(NamedTuple):
    """What an edit may change: the members of its part, and the edited pods as they were and as they are."""

    members: set[Member]
    pods_before: tuple[Pod, ...]
    pods_after: tuple[Pod, ...]


class Following:
    """Follows a cluster from edit to edit. `desired` is what `compute` gives for it under `rules`."""

    desired: Desired
    rules: Rules

    def __init__(self, cluster: Cluster, host: Host, rules: Rules) -> None:
        self._begin(cluster, host, rules)

    def restart(self, cluster: Cluster, host: Host, rules: Rules) -> Step:
        """Everything worked out anew, whatever happened before."""
        before = self.desired
        self._begin(cluster, host, rules)
        return Step(before=before, after=self.desired, whole=True)

    def update(self, edit: Edit, cluster: Cluster, host: Host) -> Step:
        """`edit` is all that differs between the cluster of the last call and this one.

        After an exception `desired` is still the last one, and only `restart` may follow.
        """
        scope = None if host != self._host or _seen_everywhere(edit) else self._scope(edit, cluster)
        if scope is None:
            return self.restart(cluster, host, self.rules)
        part_before = self._holdings.part(scope.members)
        self._follow(edit, cluster)
        part_after = self._holdings.part(scope.members)
        around = around_parts(self._around, part_before, part_after)
        old = self._work_out(part_before, around, scope.pods_before)
        new = self._work_out(part_after, around, scope.pods_after)
        before = self.desired
        if new == old:
            return Step(before=before, after=before)
        step = self._step(old, new, with_policies=POLICIES in scope.members)
        self.desired = step.after
        return step

    def _begin(self, cluster: Cluster, host: Host, rules: Rules) -> None:
        self._host, self.rules = host, rules
        self._around = look_around(cluster, host, rules)
        self.desired = compute_around(cluster, self._around, host, rules)
        self._holdings = Holdings(cluster)
        self._ties = Ties()
        for service in cluster.services:
            self._ties.put(service.meta.key, self._ties_of(service))
        self._ties.put(POLICIES, ties_of_policies(cluster))
        self._frontends = Sorted(self.desired.frontends, attrgetter("order"))
        self._gate = SortedGate(self.desired.addresses)
        self._problems = Sorted(self.desired.problems, problem_order)

    def _ties_of(self, service: Service) -> frozenset[Tie]:
        return ties_of_service(service, self._around.node_of)

    def _scope(self, edit: Edit, cluster: Cluster) -> _Scope | None:
        """None for an edit that may change a large share of everything."""
        before, after = _pods(edit.before.values()), _pods(edit.after.values())
        touched = {member for one in _both(edit) for member in _directly(one)}
        if any(map(self._holdings.is_chosen, before)) or chosen_pods(after, cluster):
            touched.add(POLICIES)
        ties = {tie for one in edit.after.values() if isinstance(one, Service) for tie in self._ties_of(one)}
        if POLICIES in touched:
            ties |= ties_of_policies(cluster)
        most = max(_ALWAYS_FEW, len(cluster.services) // _SHARE)
        members = self._ties.reach(touched, ties, most)
        return None if members is None else _Scope(members, before, after)

    def _work_out(self, part: Cluster, around: Surroundings, pods: tuple[Pod, ...]) -> Desired:
        """What the part gives, with the `skipped_pods` among `pods` instead of its own."""
        found = compute_around(part, around, self._host, self.rules)
        return replace(found, skipped_pods=tuple(skipped_pods(Cluster(pods=pods), self._host)))

    def _follow(self, edit: Edit, cluster: Cluster) -> None:
        self._holdings.follow(edit, cluster)
        for one in _both(edit):
            if isinstance(one, Service):
                now = self._holdings.services.get(one.meta.key)
                self._ties.put(one.meta.key, self._ties_of(now) if now else frozenset())
        if any(isinstance(one, Policy) for one in _both(edit)):
            self._ties.put(POLICIES, ties_of_policies(cluster))

    def _step(self, old: Desired, new: Desired, *, with_policies: bool) -> Step:
        """`old` and `new` are what the part gave before and gives now."""
        before = self.desired
        had, has = ({item.order: item for item in part.frontends} for part in (old, new))
        put = tuple(item for order, item in has.items() if had.get(order) != item)
        gone = tuple(item for order, item in had.items() if has.get(order) != item)
        flags = {ip: flag for ip, flag in new.addresses.items() if old.addresses.get(ip) != flag}
        off = tuple(ip for ip in old.addresses if ip not in new.addresses)
        solved, found = set(old.problems) - set(new.problems), set(new.problems) - set(old.problems)
        after = Desired(
            frontends=self._frontends.change(gone, put) if gone or put else before.frontends,
            addresses=self._gate.change(off, flags) if off or flags else before.addresses,
            skipped_pods=_skipped(before.skipped_pods, old.skipped_pods, new.skipped_pods),
            redirect_pods=new.redirect_pods if with_policies else before.redirect_pods,
            policies=new.policies if with_policies else before.policies,
            problems=self._problems.change(solved, found) if solved or found else before.problems,
        )
        return Step(before=before, after=after, put=put, gone=gone, addresses_put=flags, addresses_gone=off)


def _both(edit: Edit) -> Iterator[AnyObject]:
    """Every object edited, as it was and as it is."""
    yield from edit.before.values()
    yield from edit.after.values()


def _seen_everywhere(edit: Edit) -> bool:
    """Whether it changes something that every service is worked out with."""
    kinds = (Node, Namespace)
    old = {key: _as_seen(one) for key, one in edit.before.items() if isinstance(one, kinds)}
    new = {key: _as_seen(one) for key, one in edit.after.items() if isinstance(one, kinds)}
    return old != new


def _as_seen(one: Node | Namespace) -> Node | Namespace:
    """Without what `compute` never looks at: a node's heartbeat changes only its resourceVersion, of all
    that is read.
    """
    return replace(one, meta=replace(one.meta, resource_version=""))


def _directly(one: AnyObject) -> Iterator[Member]:
    """The member whose result the object is a part of. Pods are told apart by the policies."""
    match one:
        case Service() | Endpoints():
            yield one.meta.key
        case EndpointSlice():
            yield (one.meta.namespace, one.service_name)
        case LocalRedirectPolicy() | BalancingPolicy():
            yield POLICIES


def _pods(objects: Iterable[AnyObject]) -> tuple[Pod, ...]:
    return tuple(one for one in objects if isinstance(one, Pod))


def _skipped(
    known: tuple[SkippedPod, ...], old: tuple[SkippedPod, ...], new: tuple[SkippedPod, ...]
) -> tuple[SkippedPod, ...]:
    """`known` without those of `old` and with those of `new`, by namespace and name."""
    if old == new:
        return known
    left = [*(pod for pod in known if pod not in old), *new]
    return tuple(sorted(left, key=lambda pod: (pod.namespace, pod.name)))
