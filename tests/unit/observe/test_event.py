"""Records as events, filters, and counts whose number of names is bounded."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_network

import pytest
from event_records import UID, raw

from balancer.desired.types import FrontendKind
from balancer.kernel.reasons import FORWARDING, REJECTING, Reason
from balancer.kernel.ring import RawEvent
from balancer.model.service import Protocol
from balancer.observe import event as module
from balancer.observe.event import Place, Tally, Wanted, event_of
from balancer.observe.identity import HOST, Identity
from balancer.observe.names import Names
from balancer.state import Label, State
from balancer.state.pod_names import PodName
from balancer.views_event import Call, Event, Result

WEB = Label(FrontendKind.CLUSTER_IP, "Service default/web", "http", "a.yaml:3", "g")
NAMES = Names(
    State(
        labels={"10.96.0.1:80/TCP": WEB, "[fd00:96::1]:80/TCP": WEB},
        pods={UID: PodName("shop", "cart-1", {"c1": "app"})},
        backend_pods={"10.244.0.5": "default/web-1"},
        nodes={"10.244.0.5": "n1"},
    )
)
POD = (Identity(pod_uid=UID, container_id="c1"),)


def _event(record: RawEvent, found: tuple[Identity, ...] | None = POD) -> Event:
    return event_of(record, NAMES, "/kubepods/x", found, 10**18)


def test_everything_an_operator_asks_for() -> None:
    event = _event(raw())
    assert event.time == datetime.fromtimestamp(10**9 + 1, UTC)
    assert (event.result, event.reason, event.call) == (Result.FORWARDED, "forwarded", Call.CONNECT)
    assert (str(event.address), event.port, event.protocol) == ("10.96.0.1", 80, Protocol.TCP)
    assert (event.client.pod_name, event.client.container, event.client.pid) == ("shop/cart-1", "app", 7)
    assert event.backend is not None
    assert (event.backend.pod, event.backend.node) == ("default/web-1", "n1")
    assert (event.object, event.service, event.file) == ("Service default/web", "default/web", "a.yaml:3")


@pytest.mark.parametrize("reason", REJECTING)
def test_a_rejection_has_no_backend(reason: Reason) -> None:
    event = _event(raw(reason=reason, flags=0, protocol=17))
    assert (event.result, event.backend, event.call) == (Result.REJECTED, None, Call.SEND)
    assert event.reason == reason.name.lower()


def test_ipv6_stays_ipv6() -> None:
    event = _event(raw("[fd00:96::1]:80", "[fd00:244::1]:8080"))
    assert (str(event.address), str(event.backend and event.backend.address)) == ("fd00:96::1", "fd00:244::1")


def _place(text: str, port: int = 0) -> Place:
    return Place(network=ip_network(text), port=port)


FITS = [
    (Wanted(), True),
    (Wanted(reasons=frozenset(FORWARDING)), True),
    (Wanted(reasons=frozenset(REJECTING)), False),
    (Wanted(protocols=(Protocol.TCP,)), True),
    (Wanted(protocols=(Protocol.UDP,)), False),
    (Wanted(addresses=(_place("10.96.0.0/16"),)), True),
    (Wanted(addresses=(_place("10.96.0.1/32", 80),)), True),
    (Wanted(addresses=(_place("10.96.0.1/32", 81),)), False),
    (Wanted(addresses=(_place("::/0"),)), False),
    (Wanted(addresses=(_place("10.97.0.0/16"), _place("10.96.0.1/32"))), True),
    (Wanted(backends=(_place("10.244.0.0/24"),)), True),
    (Wanted(backends=(_place("10.244.1.0/24"),)), False),
    (Wanted(commands=("cu*", "wget")), True),
    (Wanted(commands=("wget",)), False),
    (Wanted(services=("default/web",)), True),
    (Wanted(services=("web",)), True),
    (Wanted(services=("default/*",)), True),
    (Wanted(services=("other/web",)), False),
    (Wanted(pods=("shop/cart-*",)), True),
    (Wanted(pods=("cart-1",)), True),
    (Wanted(pods=("host",)), False),
    (Wanted(pods=("shop/cart-1",), services=("other",)), False),
]


@pytest.mark.parametrize(("wanted", "fits"), FITS)
def test_filters(wanted: Wanted, fits: bool) -> None:
    """Any value of one option, every option."""
    record = raw()
    assert (wanted.fits_record(record) and wanted.fits(_event(record))) is fits


@pytest.mark.parametrize("found", [(HOST,), (Identity(container_id="a" * 64),)])
def test_host_is_whoever_is_in_no_pod(found: tuple[Identity, ...]) -> None:
    assert Wanted(pods=("host",)).fits(_event(raw(), found))
    assert not Wanted(pods=("*",)).fits(_event(raw(), found))


def test_a_pod_without_a_name_is_found_by_its_uid() -> None:
    stranger = "0" * 32
    event = _event(raw(), (Identity(pod_uid=stranger),))
    assert Wanted(pods=(stranger,)).fits(event)
    assert not Wanted(pods=("shop/cart-1", "host")).fits(event)


def test_only_rejections_can_be_asked_of_the_kernel() -> None:
    assert Wanted(reasons=frozenset({Reason.REFUSED})).only_rejected
    assert not Wanted().only_rejected


def test_the_tally_counts_by_name() -> None:
    tally = Tally()
    for record in (raw(), raw(), raw(reason=Reason.REFUSED), raw("10.0.0.1:1")):
        tally.add(_event(record))
    summary = tally.summary(datetime.now(UTC), 1.0, 5)
    assert (summary.results, summary.lost) == ({"forwarded": 3, "rejected": 1}, 5)
    assert summary.services == {"default/web": 3, "": 1}
    assert summary.clients == {"shop/cart-1": 4}


def test_the_number_of_names_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks is up to the processes of the host; a tally must not grow for ever."""
    monkeypatch.setattr(module, "MAX_NAMES", 3)
    tally = Tally()
    for number in range(10):
        tally.add(_event(raw(), (Identity(pod_uid=f"{number:032x}"),)))
    clients = tally.summary(datetime.now(UTC), 1.0, 0).clients
    assert (len(clients), clients["(others)"]) == (4, 7)
