"""What the measures of waiting say holds together: everything asked was answered, nothing was lost.
No duration is asserted."""

from __future__ import annotations

from typing import Any

from bench import doors, latency

_SPREAD = ("p50_ms", "p95_ms", "p99_ms")
_REQUESTS = 16


def _ordered(one: dict[str, Any]) -> None:
    median, late, last = (one[name] for name in _SPREAD)
    assert 0 < median <= late <= last


def _told(found: dict[str, Any], processes: set[str]) -> None:
    """Every request of ours and of the floor was acknowledged, and cost something."""
    for one in (found["floor"], found["ours"]):
        _ordered(one)
        assert one["acknowledged"] == _REQUESTS
        assert one["acknowledged_a_second"] > 0
        assert set(one["cpu_ms"]) == processes
        assert all(ms >= 0 for ms in one["cpu_ms"].values())
    assert found["ours"]["cpu_ms"]["service"] > 0
    assert found["ratio"] > 0


async def test_every_contract_and_fact_that_is_sent_is_acknowledged() -> None:
    figures = await doors.measure(quick=True)
    assert figures["requests"] == _REQUESTS
    for register in ("sqlite", "postgresql"):
        if found := figures[register]:
            processes = {"service", "server", "client"}
            if register == "postgresql":
                processes |= {"postgresql"}
            _told(found["contracts"], processes)
            _told(found["facts"], processes | {"worker"})
    shown = "\n".join(doors.lines(figures))
    assert str(figures["sqlite"]["facts"]["ours"]["p95_ms"]) in shown


async def test_every_update_is_answered_as_its_kind_is_and_every_contract_has_its_first_mail() -> (
    None
):
    figures = await latency.measure(quick=True)
    assert set(figures["updates"]) == {"idle"}
    for ways in figures["updates"].values():
        for way in ("one_at_a_time", "at_once"):
            kinds = {name: one for name, one in ways[way].items() if isinstance(one, dict)}
            assert {"empty", "accepted", "known", "refused"} <= set(kinds)
            for name, one in kinds.items():
                _ordered(one)
                assert name.startswith("empty") or one["ratio"] > 0
    posted = figures["first_mail"]
    for name in ("floor", "acknowledged", "first_mail"):
        _ordered(posted[name])
    assert posted["first_mail"]["p50_ms"] > posted["acknowledged"]["p50_ms"] > 0
    shown = "\n".join(latency.lines(figures))
    assert str(posted["first_mail"]["p99_ms"]) in shown
