"""The settings: what is read, and what stops the programs, by its name and in French."""

from __future__ import annotations

import base64
import os
import re
import traceback
from datetime import date, time
from pathlib import Path

import pytest

from process.policy import Policy
from register.address import with_driver
from settings import (
    CalendarSettings,
    Mailbox,
    Settings,
    SettingsError,
    known_names,
    load_command_settings,
    load_settings,
)

REQUIRED = {
    "MAIL_FROM": "Mileo Onboarding <onboarding@example.com>",
    "HEAD_OF_PROJECTS": "head@example.com",
}
SECRET = base64.b64encode(bytes(range(32))).decode()
EXAMPLE = Path(__file__).resolve().parent.parent / ".env.example"


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("ONBOARDING_"):
            monkeypatch.delenv(name)


def read(monkeypatch: pytest.MonkeyPatch, **values: str) -> Settings:
    for name, value in (REQUIRED | values).items():
        monkeypatch.setenv(f"ONBOARDING_{name}", value)
    return load_settings()


def problems(monkeypatch: pytest.MonkeyPatch, **values: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read(monkeypatch, **values)
    assert str(caught.value).splitlines() == caught.value.problems
    return caught.value.problems


def test_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch)
    assert settings.database_url == "sqlite+aiosqlite:///var/onboarding.db"
    assert settings.documents_url == "var/documents"
    assert settings.inbox == Path("var/inbox")
    assert settings.sources is None
    assert (settings.smtp_host, settings.smtp_port) == ("localhost", 25)
    assert (settings.smtp_security, settings.smtp_timeout_seconds) == ("none", 300)
    assert settings.smtp_data_timeout_seconds == 600
    assert settings.mail_from == Mailbox(name="Mileo Onboarding", email="onboarding@example.com")
    assert settings.head_of_projects == Mailbox(email="head@example.com")
    assert settings.policy == Policy.model_validate({})
    assert settings.calendar == CalendarSettings()


def test_a_worker_needs_a_sender_and_a_head_of_projects(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert caught.value.problems == [
        "ONBOARDING_MAIL_FROM : réglage obligatoire, absent",
        "ONBOARDING_HEAD_OF_PROJECTS : réglage obligatoire, absent",
    ]
    assert load_command_settings().mail_from is None
    monkeypatch.setenv("ONBOARDING_MAIL_FROM", "nobody")
    with pytest.raises(SettingsError, match="ONBOARDING_MAIL_FROM : adresse électronique invalide"):
        load_command_settings()


def test_every_kind_of_setting_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(
        monkeypatch,
        SMTP_PORT="587",
        SMTP_SECURITY="starttls",
        SMTP_USER="mileo",
        SMTP_PASSWORD="s3cret",
        SMTP_TIMEOUT_SECONDS="2.5",
        KICKOFF_JO="12",
        REMINDER_HOUR="09:30",
        REMINDER_BEFORE_JO="5, 2,1",
        DOE_RELEASE_AUTOMATIC="true",
        MILEO_ZONE="alsace-moselle",
        MILEO_CLOSED_DAYS="2026-05-15, 2026-12-24",
        MILEO_OPEN_DAYS="2026-05-25",
        SITE_CLOSED_DAYS="guadeloupe:2026-04-03,guadeloupe:2026-07-21,martinique:2026-07-21",
        SITE_OPEN_DAYS="guyane:2026-06-10",
        WEBHOOK_SECRETS=f"crm=whsec_{SECRET},crm=whsec_{SECRET},sign=whsec_{SECRET}",
        PUBLIC_URL="https://onboarding.example.com/d",
    )
    assert settings.smtp_password is not None
    assert settings.smtp_password.get_secret_value() == "s3cret"
    assert settings.smtp_timeout_seconds == 2.5
    assert settings.policy.kickoff_jo == 12
    assert settings.policy.reminder_hour == time(9, 30)
    assert settings.policy.reminder_before_jo == (5, 2, 1)
    assert settings.policy.doe_release_automatic is True
    calendar = settings.calendar
    assert calendar.mileo_zone == "alsace-moselle"
    assert calendar.mileo_closed_days == {date(2026, 5, 15), date(2026, 12, 24)}
    assert calendar.mileo_open_days == {date(2026, 5, 25)}
    assert calendar.site_closed_days == {
        "guadeloupe": {date(2026, 4, 3), date(2026, 7, 21)},
        "martinique": {date(2026, 7, 21)},
    }
    assert calendar.site_open_days == {"guyane": {date(2026, 6, 10)}}
    assert {name: len(secrets) for name, secrets in settings.webhook_secrets.items()} == {
        "crm": 2,
        "sign": 1,
    }


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch, SMTP_USER="", SMTP_PASSWORD=" ", KICKOFF_JO="", MILEO_ZONE="")
    assert settings.smtp_user is None
    assert settings.smtp_password is None
    assert settings.policy.kickoff_jo == 10


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("SMTP_PORT", "vingt-cinq", "nombre entier attendu"),
        ("SMTP_PORT", "70000", "doit être au plus 65535"),
        ("SMTP_SECURITY", "ssl", "valeurs possibles : none, starttls, tls"),
        ("SMTP_TIMEOUT_SECONDS", "0", "doit être supérieur à 0.0"),
        ("SMTP_TIMEOUT_SECONDS", "nan", "doit être au plus 600.0"),
        ("MAIL_FROM", "Mileo\n<a@example.com>\nBcc: x@y.fr", "adresse électronique invalide"),
        ("HEAD_OF_PROJECTS", "Jean <jean>", "adresse électronique invalide"),
        ("KICKOFF_JO", "0", "doit être au moins 1"),
        ("KICKOFF_JO", "dix", "nombre entier attendu"),
        ("REMINDER_HOUR", "9", "heure attendue, par exemple 08:00"),
        ("REMINDER_HOUR", "25:00", "heure attendue, par exemple 08:00"),
        ("REMINDER_HOUR", "09:00Z", "heure attendue, par exemple 08:00"),
        ("CLIENT_REMINDER_JO", "2,cinq", "nombre entier attendu"),
        ("DOE_RELEASE_AUTOMATIC", "oui", "true ou false attendu"),
        (
            "MILEO_CLOSED_DAYS",
            "15/05/2026",
            "date attendue, par exemple 2026-05-15, et non « 15/05/2026 »",
        ),
        (
            "SITE_CLOSED_DAYS",
            "2026-04-03",
            "forme attendue : zone:AAAA-MM-JJ, par exemple guadeloupe:2026-04-03",
        ),
        ("DOCUMENTS_URL", "ftp://x/y", "chemin d'un dossier ou s3://bucket/prefixe attendu"),
        ("PUBLIC_URL", "onboarding.example.com", "adresse attendue : https://…"),
        ("DATABASE_URL", "mysql://u:pw@h/db", "adresse attendue : sqlite:///… ou postgresql://…"),
        ("WEBHOOK_SECRETS", "whsec_abc", "forme attendue : nom=secret, séparés par des virgules"),
        (
            "WEBHOOK_SECRETS",
            "crm=whsec_c2hvcnQ=",
            "crm : whsec_ suivi de 24 à 64 octets en base64 attendu",
        ),
        ("ENCRYPTION_KEYS", "k1=c2hvcnQ=", "k1 : clé de 32 octets en base64 attendue"),
        ("ENCRYPTION_KEYS", f"k1={SECRET},k1={SECRET}", "k1 : identifiant de clé en double"),
    ],
)
def test_a_wrong_setting_is_named_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str
) -> None:
    assert problems(monkeypatch, **{name: value}) == [f"ONBOARDING_{name} : {reason}"]


def test_an_unknown_zone_is_named_with_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    (problem,) = problems(monkeypatch, MILEO_ZONE="corse")
    assert problem.startswith("ONBOARDING_MILEO_ZONE : valeurs possibles : metropole, alsace-")
    (problem,) = problems(monkeypatch, MILEO_ZONE="", SITE_OPEN_DAYS="corse:2026-04-03")
    assert problem.startswith("ONBOARDING_SITE_OPEN_DAYS : valeurs possibles : metropole, alsace-")


def test_a_day_cannot_be_both_closed_and_open(monkeypatch: pytest.MonkeyPatch) -> None:
    both = {"MILEO_CLOSED_DAYS": "2026-05-15", "MILEO_OPEN_DAYS": "2026-05-15"}
    assert problems(monkeypatch, **both) == [
        "ONBOARDING_MILEO_OPEN_DAYS : 2026-05-15 est à la fois un jour chômé et travaillé"
    ]


def test_settings_that_contradict_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    (problem,) = problems(monkeypatch, SMTP_USER="mileo")
    assert problem.startswith("ONBOARDING_SMTP_USER et ONBOARDING_SMTP_PASSWORD vont ensemble")
    (problem,) = problems(monkeypatch, SMTP_USER="", VERDICT_REDO_SCORE="8")
    assert problem.startswith("ONBOARDING_VERDICT_REDO_SCORE dépasse")


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("SMTPP_HOST", "SMTP_HOST"),
        ("KICK_OFF_JO", "KICKOFF_JO"),
        ("MAILFROM", "MAIL_FROM"),
        ("smtp_host", "SMTP_HOST"),
    ],
)
def test_a_misspelt_setting_is_named_with_the_nearest(
    monkeypatch: pytest.MonkeyPatch, name: str, near: str
) -> None:
    assert problems(monkeypatch, **{name: "secret"}) == [
        f"ONBOARDING_{name} : réglage inconnu ; vouliez-vous dire ONBOARDING_{near} ?"
    ]


def test_sections_are_not_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    (problem,) = problems(monkeypatch, POLICY="{}")
    assert problem.startswith("ONBOARDING_POLICY : réglage inconnu")


def test_all_problems_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    found = problems(monkeypatch, SMTP_PORT="x", KICKOFF_JO="x", MILEO_ZONE="x", TYPO="x")
    assert len(found) == 4


def test_the_variables_of_the_tests_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch, TEST_POSTGRES="skip")


def test_no_secret_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {
        "DATABASE_URL": "postgresql://mileo:hunter2@db/onboarding",
        "SMTP_USER": "mileo",
        "SMTP_PASSWORD": "hunter2",
        "WEBHOOK_SECRETS": f"crm=whsec_{SECRET}",
    }
    settings = read(monkeypatch, **secrets)
    assert "hunter2" not in f"{settings!r} {settings}"
    assert SECRET not in repr(settings)
    wrong = {
        "DATABASE_URL": "pg://mileo:hunter2@db",
        "WEBHOOK_SECRETS": "crm=hunter2",
        "ENCRYPTION_KEYS": "hunter2",
    }
    with pytest.raises(SettingsError) as caught:
        read(monkeypatch, **(secrets | wrong))
    assert len(caught.value.problems) == 3
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("written", "driven"),
    [
        ("sqlite:///var/x.db", "sqlite+aiosqlite:///var/x.db"),
        ("sqlite:////srv/x.db", "sqlite+aiosqlite:////srv/x.db"),
        ("postgres://u:p%40w@h:5433/db", "postgresql+asyncpg://u:p%40w@h:5433/db"),
        ("postgresql://h/db?sslmode=require", "postgresql+asyncpg://h/db?ssl=require"),
        ("postgresql:///db?host=/run/pg", "postgresql+asyncpg:///db?host=%2Frun%2Fpg"),
    ],
)
def test_the_driver_of_the_database_is_added_once(written: str, driven: str) -> None:
    assert with_driver(written) == driven
    assert with_driver(driven) == driven


@pytest.mark.parametrize(
    "written", ["", "var/x.db", "sqlite://", "sqlite:///", "sqlite:///:memory:", "oracle://h/db"]
)
def test_other_addresses_of_databases_are_refused(written: str) -> None:
    with pytest.raises(ValueError, match="attendu"):
        with_driver(written)


@pytest.mark.parametrize("written", ["postgres://h:port/db", "postgresql://u:p#w@h/db?ssl=require"])
def test_an_unreadable_address_of_postgresql_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="illisible"):
        with_driver(written)


def test_the_example_file_shows_every_setting_with_its_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = re.findall(r"^(#?)(ONBOARDING_\w+)=(.*)$", EXAMPLE.read_text("utf-8"), re.MULTILINE)
    assert sorted(name for _, name, _ in lines) == sorted(known_names())
    assert [name for commented, name, _ in lines if not commented] == [
        "ONBOARDING_MAIL_FROM",
        "ONBOARDING_HEAD_OF_PROJECTS",
    ]
    defaults = read(monkeypatch)
    for _, name, value in lines:
        monkeypatch.setenv(name, value.strip('"'))
    same = {"mail_from", "head_of_projects"}
    assert load_settings().model_dump(exclude=same) == defaults.model_dump(exclude=same)
