"""docker-compose.yml says what Compose understands, and names only what it declares."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent
COMPOSE = ROOT / "docker-compose.yml"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load(COMPOSE)
    return loaded


def test_the_file_follows_the_compose_specification() -> None:
    check = Path(sys.executable).parent / "check-jsonschema"
    done = subprocess.run(
        [check, "--builtin-schema", "vendor.compose-spec", COMPOSE],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _names(references: list[Any] | dict[str, Any] | None, key: str = "source") -> set[str]:
    return {one[key] if isinstance(one, dict) else str(one) for one in references or []}


def test_no_reference_dangles(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert _names(service.get("depends_on")) <= set(compose["services"])
        assert _names(service.get("networks")) <= set(compose["networks"])
        assert _names(service.get("configs")) <= set(compose.get("configs", {}))
        assert _names(service.get("secrets")) <= set(compose.get("secrets", {}))
        named = {volume.split(":")[0] for volume in service.get("volumes", [])}
        assert {name for name in named if name[0] not in "./~"} <= set(compose["volumes"])


def test_what_is_declared_is_used(compose: dict[str, Any]) -> None:
    services = compose["services"].values()
    used = {volume.split(":")[0] for service in services for volume in service.get("volumes", [])}
    assert set(compose["volumes"]) == used


def test_whoever_is_waited_for_as_healthy_has_a_health_check(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for name, wait in service.get("depends_on", {}).items():
            if wait["condition"] == "service_healthy":
                assert "healthcheck" in compose["services"][name], name


def test_versions_are_pinned_and_nothing_listens_outside(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        version = service["image"].rpartition(":")[2]
        assert any(c.isdigit() for c in version), f"{name}: {service['image']}"
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_the_worker_is_not_root_and_its_settings_exist(compose: dict[str, Any]) -> None:
    from settings import known_names

    given = compose["services"]["worker"]["environment"]
    assert {name for name in given if name.startswith("ONBOARDING_")} <= known_names()
    assert "\nUSER onboarding\n" in (ROOT / "Dockerfile").read_text(encoding="utf-8")
