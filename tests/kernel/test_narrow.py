"""Passes that follow one another in one process, as those of the agent do: small steps, and what makes them whole ones."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import pool
from harness.client import Client
from harness.host import Host
from harness.objects import Object, plain, port, service

from balancer import manifests, state
from balancer.config import Settings
from balancer.errors import KernelCallFailed, NotConverged
from balancer.kernel.hooks import Hook
from balancer.kernel.maps import PinnedMaps
from balancer.kernel.pins import Pins
from balancer.passes.continued import Continued
from balancer.passes.reconcile import Reconciler, compute
from balancer.plan.entries import ADDRESS, ADDRESS_INFO, MapName
from balancer.state import names_path
from balancer.views import Loaded, PassResult

VIP, OTHER = pool.vip(1)[0], pool.vip(2)[0]


class Follower:
    """One reconciler and what it follows. `whole` counts the passes that looked at everything."""

    def __init__(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        made = host.balancer
        self.settings = Settings(
            node=made.node, cgroup=made.cgroup, bpffs=made.bpffs, state=made.state, lock_timeout_seconds=5
        )
        self.host, self.whole = host, 0
        self.reconciler, self._continued = Reconciler(self.settings), Continued(strict=True)
        converge = Reconciler._converge

        def counted(this: Reconciler, *given: object, **more: object) -> PassResult:
            self.whole += this is self.reconciler
            return converge(this, *given, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(Reconciler, "_converge", counted)

    def loaded(self, *objects: Object | list[Object]) -> Loaded:
        self.host.balancer.write(*objects)
        return self._continued.compute(
            manifests.load([self.host.balancer.manifests]).files,
            [self.host.balancer.manifests],
            self.settings,
        )

    def go(self, *objects: Object | list[Object]) -> PassResult:
        """The pass for this directory, and a look at everything."""
        loaded = self.loaded(*objects)
        with self.reconciler:
            result = self.reconciler.apply(loaded, allow_mass_delete=True)
        assert Reconciler(self.settings).plan(self.anew()).empty
        return result

    def anew(self) -> Loaded:
        """The directory, worked out by somebody who knows nothing of it."""
        return compute(None, [self.host.balancer.manifests], self.settings)

    def elsewhere(self) -> None:
        """A pass of another process over the directory."""
        with Reconciler(self.settings) as other:
            other.apply(self.anew(), allow_mass_delete=True)

    @contextlib.contextmanager
    def maps(self) -> Iterator[PinnedMaps]:
        live = Pins(self.settings.bpffs).live()
        assert live is not None
        with PinnedMaps(live.maps) as store:
            yield store


@pytest.fixture
def follower(host: Host, monkeypatch: pytest.MonkeyPatch) -> Follower:
    """After the first pass, which looks at everything."""
    made = Follower(host, monkeypatch)
    made.go(*web(pool.ONE), *others())
    assert made.whole == 1
    made.whole = 0
    return made


def web(*addresses: str, vip: str = VIP) -> list[Object]:
    return plain("web", vip, addresses)


def others(count: int = 20) -> list[Object]:
    """Enough that what changes is a small part."""
    return [service(f"s{number}", port(80), ips=(f"10.101.0.{number}",)) for number in range(1, count + 1)]


def test_a_change_is_in_force_and_costs_no_look_at_everything(follower: Follower, client: Client) -> None:
    for address, name in zip(pool.FOUR_ADDRESSES[1:], pool.NAMES[1:], strict=True):
        result = follower.go(*web(address), *others())
        assert {str(change.address) for change in result.plan.changes} == {VIP}
        assert client.tcp(VIP, 80) == name
    assert follower.whole == 0


def test_services_come_and_go(follower: Follower, client: Client) -> None:
    for _ in range(3):
        follower.go(*web(pool.ONE), *plain("b", OTHER, (pool.TWO,)), *others())
        assert (client.tcp(VIP, 80), client.tcp(OTHER, 80)) == ("one", "two")
        follower.go(*web(pool.ONE), *others())
        assert client.tcp(OTHER, 80) == "ENETUNREACH"
    assert follower.whole == 0
    assert follower.reconciler.audit()


def test_an_address_moves_between_services(follower: Follower, client: Client) -> None:
    follower.go(*web(pool.ONE), *plain("b", OTHER, (pool.TWO,)), *others())
    follower.go(*web(pool.ONE, vip=OTHER), *plain("b", VIP, (pool.TWO,)), *others())
    assert (client.tcp(VIP, 80), client.tcp(OTHER, 80)) == ("two", "one")
    assert follower.reconciler.audit()


def test_nothing_to_do_writes_nothing(follower: Follower) -> None:
    result = follower.go(*web(pool.ONE), *others())
    assert (result.plan.empty, result.attached, follower.whole) == (True, True, 0)


def test_whoever_else_wrote_is_noticed(follower: Follower, client: Client) -> None:
    """Another process's pass in between: this one then looks at everything."""
    follower.host.balancer.write(*web(pool.THREE), *others())
    follower.elsewhere()
    assert client.tcp(VIP, 80) == "three"
    follower.go(*web(pool.TWO), *others())
    assert (follower.whole, client.tcp(VIP, 80)) == (1, "two")


def test_two_that_follow_notice_each_other(follower: Follower, client: Client) -> None:
    """Also one that has written nothing but a step since the other began."""
    second = Reconciler(follower.settings)
    other = Continued(strict=True)

    def step_of_second(*objects: Object) -> None:
        follower.host.balancer.write(*objects)
        paths = [follower.host.balancer.manifests]
        loaded = other.compute(manifests.load(paths).files, paths, follower.settings)
        with second:
            second.apply(loaded, allow_mass_delete=True)

    step_of_second(*web(pool.ONE), *others())
    for address, name in ((pool.TWO, "two"), (pool.THREE, "three")):
        step_of_second(*web(address), *others())
        assert client.tcp(VIP, 80) == name
        follower.go(*web(pool.ONE), *plain("b", OTHER, (pool.FOUR,)), *others())
        assert (client.tcp(VIP, 80), client.tcp(OTHER, 80)) == ("one", "four")


def test_detached_programs_are_loaded_again(follower: Follower, client: Client) -> None:
    follower.host.balancer.run("detach")
    result = follower.go(*web(pool.TWO), *others())
    assert (result.loaded_programs, follower.whole, client.tcp(VIP, 80)) == (True, 1, "two")


def test_a_hook_that_went_is_attached_again(follower: Follower, client: Client) -> None:
    (follower.settings.bpffs / "links" / Hook.CONNECT4).unlink()
    assert client.tcp(VIP, 80) == "ENETUNREACH"
    follower.go(*web(pool.ONE), *others())
    assert (client.tcp(VIP, 80), follower.whole) == ("one", 0)


def test_an_audit_finds_a_hook_that_went(follower: Follower) -> None:
    (follower.settings.bpffs / "links" / Hook.SENDMSG6).unlink()
    assert not follower.reconciler.audit()
    follower.go(*web(pool.ONE), *others())
    assert follower.reconciler.audit()


@pytest.mark.parametrize("name", [MapName.FRONTENDS, MapName.ADDRESSES, MapName.MEMBERS, MapName.CGROUPS])
def test_an_audit_finds_what_changed_behind_its_back(
    follower: Follower, client: Client, name: MapName
) -> None:
    follower.go(*plain("web", VIP, (pool.ONE,), affinity=60), *others())
    with follower.maps() as store:
        if name is MapName.CGROUPS:
            store.update(name, [(bytes(8), bytes(4))])
        else:
            store.delete(name, list(store.dump(name)))
    assert not follower.reconciler.audit()
    follower.go(*plain("web", VIP, (pool.ONE,), affinity=60), *others())
    assert (follower.whole, client.tcp(VIP, 80)) == (1, "one")
    assert follower.reconciler.audit()


def test_an_audit_finds_another_backend_in_a_slot(follower: Follower, client: Client) -> None:
    with follower.maps() as store:
        raw = store.content(MapName.SLOTS)[1]
        store.update(MapName.SLOTS, [(bytes(4), raw[:12] + bytes([10, 244, 0, 2]) + raw[16:20])])
    assert client.tcp(VIP, 80) == "two"
    assert not follower.reconciler.audit()
    follower.go(*web(pool.ONE), *others())
    assert client.tcp(VIP, 80) == "one"


def test_an_audit_finds_a_stray_address(follower: Follower) -> None:
    with follower.maps() as store:
        store.update(MapName.ADDRESSES, [(bytes(ADDRESS.size - 1) + b"\1", bytes(ADDRESS_INFO.size))])
    assert not follower.reconciler.audit()


def test_an_audit_gives_way(follower: Follower) -> None:
    """It is then not known to be wrong, and the next pass may be a short one."""
    with follower.maps() as store:
        store.delete(MapName.FRONTENDS, list(store.dump(MapName.FRONTENDS)))
    assert follower.reconciler.audit(lambda: True)
    assert not follower.reconciler.audit()


def test_an_audit_counts_as_a_pass(follower: Follower) -> None:
    before = state.outcome(follower.settings.state)
    assert follower.reconciler.audit()
    after = state.outcome(follower.settings.state)
    assert before.last_pass is not None
    assert after.last_pass is not None
    assert after.tally.passes["converged"] == before.tally.passes["converged"] + 1
    assert after.last_pass.time > before.last_pass.time
    assert after.last_pass.digest == before.last_pass.digest


def test_after_a_failure_everything_is_looked_at(
    follower: Follower, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that fails half-way: what is known of the maps is known no more."""
    loaded = follower.loaded(*web(pool.TWO), *others())

    def fail(*_: object) -> None:
        raise KernelCallFailed("write map entries of frontends", 12)

    with monkeypatch.context() as broken:
        broken.setattr(PinnedMaps, "synchronize", fail)
        with follower.reconciler, pytest.raises(KernelCallFailed):
            follower.reconciler.apply(loaded, allow_mass_delete=True)
    follower.go(*web(pool.THREE), *others())
    assert (follower.whole, client.tcp(VIP, 80)) == (1, "three")


def test_names_follow(follower: Follower) -> None:
    """What was added step by step is what one pass over everything writes."""
    for address in pool.FOUR_ADDRESSES:
        follower.go(*web(address), *plain("b", OTHER, (pool.TWO,)), *others())
    follower.go(*web(pool.ONE), *others(21))
    assert follower.whole == 0
    path = follower.settings.state
    assert names_path(path).read_bytes().count(b"\n") > 2
    added, _ = state.load(path)
    follower.elsewhere()
    whole, warning = state.load(path)
    assert (dict(added.labels), warning) == (dict(whole.labels), "")
    assert whole.backend_pods.items() <= added.backend_pods.items()
    assert names_path(path).read_bytes().count(b"\n") == 2


def test_a_torn_record_is_no_loss(follower: Follower) -> None:
    """A power failure in the middle of a record: readers leave it out, and the next pass writes all names anew."""
    path = follower.settings.state
    follower.go(*web(pool.TWO), *others())
    with names_path(path).open("ab") as out:
        out.write(b"0123 {")
    assert f"{VIP}:80/TCP" in state.load(path)[0].labels
    follower.go(*web(pool.THREE), *others())
    found, warning = state.load(path)
    assert (len(found.labels), warning) == (22, "")
    assert names_path(path).read_bytes().endswith(b"}\n")


def test_a_vip_over_two_forms_is_left_to_the_long_way(follower: Follower, client: Client) -> None:
    """::ffff:a.b.c.d and a.b.c.d are one address in the maps."""
    mapped = service("mapped", port(80), ips=(f"::ffff:{VIP}",))
    follower.go(*web(pool.ONE), mapped, *others())
    follower.go(*web(pool.TWO), mapped, *others())
    assert client.tcp(VIP, 80) in ("two", "ECONNREFUSED")
    follower.go(*web(pool.THREE), *others())
    assert client.tcp(VIP, 80) == "three"


def test_what_is_read_back_is_believed_and_nothing_else(
    follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entry that was not written as it should be ends the pass."""
    import balancer.passes.writing

    monkeypatch.setattr(balancer.passes.writing, "execute", lambda *_: None)
    loaded = follower.loaded(*web(pool.TWO), *others())
    with follower.reconciler, pytest.raises(NotConverged, match="read back differ"):
        follower.reconciler.apply(loaded, allow_mass_delete=True)


def test_paths_stay(follower: Follower) -> None:
    last = state.outcome(follower.settings.state).last_pass
    assert last is not None
    assert last.paths == (str(Path(follower.host.balancer.manifests)),)
