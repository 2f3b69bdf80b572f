"""A secret may be given by the path of a file, as Docker does; and by nothing else at once."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from register.address import with_driver
from settings import (
    CommandSettings,
    SettingsError,
    known_names,
    load_command_settings,
    names_by_file,
)

KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("ONBOARDING_"):
            monkeypatch.delenv(name)


def by_file(monkeypatch: pytest.MonkeyPatch, name: str, path: Path) -> CommandSettings:
    monkeypatch.setenv(f"ONBOARDING_{name}_FILE", str(path))
    return load_command_settings()


def refused(monkeypatch: pytest.MonkeyPatch, name: str, path: Path) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        by_file(monkeypatch, name, path)
    assert caught.value.__cause__ is None
    return caught.value.problems


def test_the_content_of_the_file_is_the_value(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    address = "postgresql://onboarding:sésame@db/onboarding"
    (tmp_path / "url").write_text(f"{address}\n", encoding="utf-8")
    (tmp_path / "keys").write_text(f"k1={KEY}\n", encoding="utf-8")
    (tmp_path / "password").write_text("s, s=#'\"\n", encoding="utf-8")
    by_file(monkeypatch, "DATABASE_URL", tmp_path / "url")
    monkeypatch.setenv("ONBOARDING_SMTP_USER", "mileo")
    by_file(monkeypatch, "SMTP_PASSWORD", tmp_path / "password")
    settings = by_file(monkeypatch, "ENCRYPTION_KEYS", tmp_path / "keys")
    assert settings.database_url == with_driver(address)
    assert settings.encryption_keys["k1"][0].get_secret_value() == KEY
    assert settings.smtp_password is not None
    assert settings.smtp_password.get_secret_value() == "s, s=#'\""


def test_an_empty_file_sets_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n", encoding="utf-8")
    assert by_file(monkeypatch, "SMTP_PASSWORD", tmp_path / "empty").smtp_password is None


def test_both_at_once_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"k1={KEY}", encoding="utf-8")
    monkeypatch.setenv("ONBOARDING_ENCRYPTION_KEYS", f"k2={KEY}")
    assert refused(monkeypatch, "ENCRYPTION_KEYS", tmp_path / "keys") == [
        (
            "ONBOARDING_ENCRYPTION_KEYS et ONBOARDING_ENCRYPTION_KEYS_FILE : "
            "l'un ou l'autre, pas les deux"
        )
    ]


def test_what_cannot_be_read_is_told_all_at_once_and_never_quoted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "binary").write_bytes(b"sesame\xff")
    (tmp_path / "large").write_bytes(b"sesame" * 20_000)
    (tmp_path / "wrong").write_text("sesame", encoding="utf-8")
    monkeypatch.setenv("ONBOARDING_DATABASE_URL_FILE", str(tmp_path / "absent"))
    monkeypatch.setenv("ONBOARDING_SMTP_PASSWORD_FILE", str(tmp_path / "binary"))
    problems = refused(monkeypatch, "ENCRYPTION_KEYS", tmp_path / "large")
    assert problems == [
        (
            "ONBOARDING_DATABASE_URL_FILE : fichier illisible (No such file or directory) : "
            f"{tmp_path}/absent"
        ),
        f"ONBOARDING_SMTP_PASSWORD_FILE : un court texte UTF-8 est attendu : {tmp_path}/binary",
        f"ONBOARDING_ENCRYPTION_KEYS_FILE : un court texte UTF-8 est attendu : {tmp_path}/large",
    ]
    for name in names_by_file():
        monkeypatch.delenv(name, raising=False)
    assert refused(monkeypatch, "ENCRYPTION_KEYS", tmp_path / "wrong") == [
        "ONBOARDING_ENCRYPTION_KEYS : forme attendue : nom=secret, séparés par des virgules"
    ]


def test_every_secret_has_its_file_and_nothing_else_has(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert {
        "ONBOARDING_DATABASE_URL_FILE",
        "ONBOARDING_SMTP_PASSWORD_FILE",
        "ONBOARDING_WEBHOOK_SECRETS_FILE",
        "ONBOARDING_ENCRYPTION_KEYS_FILE",
        "ONBOARDING_CODEC_TOKENS_FILE",
    } <= names_by_file()
    assert not names_by_file() & known_names()
    assert "ONBOARDING_SMTP_HOST_FILE : réglage inconnu" in "\n".join(
        refused(monkeypatch, "SMTP_HOST", tmp_path / "host")
    )
