"""docker-compose.yml says what Compose understands, names only what is there, and lets no one in."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from settings import known_names, names_by_file
from tests.deployment import COMPOSE, OURS, ROOT
from tests.deployment import compose as loaded

BY_HAND = {"backup", "restore"}
ONCE = {"temporal-schema", "temporal-namespace", "prepare", "release"}
EDGE = {"temporal-ui", "service", "codec", "mailpit", "grafana"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return loaded()


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose["services"]
    return found


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


def _mounts(service: dict[str, Any]) -> list[tuple[str, str]]:
    """What is mounted, and where."""
    return [tuple(volume.split(":")[:2]) for volume in service.get("volumes", [])]


def test_no_reference_dangles(compose: dict[str, Any], services: dict[str, Any]) -> None:
    for service in services.values():
        assert _names(service.get("depends_on")) <= set(services)
        assert _names(service.get("networks")) <= set(compose["networks"])
        assert _names(service.get("secrets")) <= set(compose["secrets"])
        named = {source for source, _ in _mounts(service)}
        assert {name for name in named if name[0] != "."} <= set(compose["volumes"])
        # An entry point of ours is in a folder that is mounted, and is a file.
        for word in [*service.get("entrypoint", []), *service.get("command", [])]:
            if word.startswith("/deploy/"):
                assert any(
                    (ROOT / source / Path(word).relative_to(target)).is_file()
                    for source, target in _mounts(service)
                    if Path(word).is_relative_to(target)
                ), word


def test_what_is_mounted_from_the_repository_is_there(services: dict[str, Any]) -> None:
    sources = {
        source
        for service in services.values()
        for source, _ in _mounts(service)
        if source.startswith("./")
    }
    assert all((ROOT / source).exists() for source in sources - {"./backups"}), sources


def test_what_is_declared_is_used(compose: dict[str, Any], services: dict[str, Any]) -> None:
    used = services.values()
    assert set(compose["secrets"]) == {name for one in used for name in one.get("secrets", [])}
    assert set(compose["networks"]) == {name for one in used for name in one["networks"]}
    assert set(compose["volumes"]) == {
        source for one in used for source, _ in _mounts(one) if source[0] != "."
    }


def test_whoever_lasts_says_how_it_is_and_starts_again(services: dict[str, Any]) -> None:
    for name, service in services.items():
        if name in BY_HAND:
            continue
        if name in ONCE:
            assert service["restart"].startswith("on-failure"), name
        else:
            assert service["restart"] == "unless-stopped", name
            # What sleeps from one night to the next has nothing to say in between.
            if name != "cleaning":
                assert service["healthcheck"]["test"][0] == "CMD", name
        for waited, wait in service.get("depends_on", {}).items():
            assert (wait["condition"] == "service_completed_successfully") == (waited in ONCE)


def test_versions_are_pinned(services: dict[str, Any]) -> None:
    for name, service in services.items():
        # Ours is the build id, one unless it is said otherwise.
        version = service["image"].replace("${ONBOARDING_BUILD_ID:-0.1.0}", "0.1.0")
        assert re.search(r":v?\d+\.\d+(\.\d+)?(-\w+)?$", version), name


def test_nobody_is_root_nor_can_become_it_nor_writes_where_it_should_not(
    services: dict[str, Any],
) -> None:
    # Images whose own user is not root: temporal, grafana, nobody; ours is in the Dockerfile.
    not_root = ("temporalio/", "grafana/", "prom/", "mileo-onboarding:")
    assert re.search(r"^USER 10001:10001$", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "cap_add" not in service, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in service, name
        own = str(service.get("user", "0")).split(":")[0]
        assert own != "0" or service["image"].startswith(not_root), name
        for mount in service.get("tmpfs", []):
            assert "size=" in mount, name
        for volume in service.get("volumes", []):
            assert "docker.sock" not in volume, name
            if volume.startswith("./") and not volume.startswith("./backups:"):
                assert volume.endswith(":ro"), name


def test_the_logs_of_everybody_are_limited(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert set(service["logging"]["options"]) == {"max-size", "max-file"}, name


def test_only_the_edge_is_published_and_to_this_machine_only(
    compose: dict[str, Any], services: dict[str, Any]
) -> None:
    published = {name for name, service in services.items() if service.get("ports")}
    assert published == {name for name, one in services.items() if "edge" in one["networks"]}
    assert published == EDGE
    for service in services.values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    inside = {name for name, one in compose["networks"].items() if (one or {}).get("internal")}
    assert inside == {"database", "temporal", "observability"}
    assert "database" not in services["temporal-ui"]["networks"]
    assert services["codec"]["networks"] == ["edge"]
    assert {name for name, one in services.items() if "database" in one["networks"]} == {
        *("postgresql", "temporal-schema", "temporal", "backup", "restore"),
        *("prepare", "worker", "service", "cleaning"),
    }


def test_no_secret_is_in_the_file_nor_in_an_environment(services: dict[str, Any]) -> None:
    for name, service in services.items():
        for variable, value in service.get("environment", {}).items():
            if re.search(r"PASS|SECRET|KEY|TOKEN|DATABASE_URL", variable):
                assert str(value).startswith("/run/secrets/"), f"{name}: {variable}"
                assert Path(value).name in service["secrets"], f"{name}: {variable}"


def test_our_programs_are_given_settings_that_exist(services: dict[str, Any]) -> None:
    known = known_names() | names_by_file()
    for name in OURS:
        given = services[name]["environment"]
        ours = {variable for variable in given if variable.startswith("ONBOARDING_")}
        assert ours <= known, name
    assert services["worker"]["deploy"]["replicas"] == 2
    assert (
        services["codec"]["environment"]["ONBOARDING_CODEC_ORIGIN"]
        == (services["temporal-ui"]["environment"]["TEMPORAL_CORS_ORIGINS"])
    )


def test_the_register_is_read_by_those_who_may_write_the_documents(
    services: dict[str, Any],
) -> None:
    uids = {services[name]["user"] for name in BY_HAND}
    assert uids == {"10001:10001"}
    assert YAML(typ="safe").load(ROOT / "deploy" / "temporal" / "dynamic.yaml")
