"""Links to documents: ours are known, whoever changes one is found out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from register.store import Register
from storage.links import check_link, document_link, link_key

KEY = "5b" * 32
SHA256 = "0a" * 32
REFERENCE = "DOE-MIL-2026-0042-1-v1"
EXPIRES_AT = datetime(2026, 5, 15, 12, tzinfo=UTC)
NOW = EXPIRES_AT - timedelta(days=1)


def link(base: str = "https://onboarding.example") -> str:
    return document_link(base, KEY, sha256=SHA256, reference=REFERENCE, expires_at=EXPIRES_AT)


def parts(address: str) -> dict[str, str]:
    split = urlsplit(address)
    query = {name: values[0] for name, values in parse_qs(split.query).items()}
    return {"sha256": split.path.rpartition("/")[2], **query}


def test_a_link_says_what_it_is() -> None:
    assert link().startswith(
        f"https://onboarding.example/documents/{SHA256}?reference={REFERENCE}"
        f"&expires={int(EXPIRES_AT.timestamp())}&signature="
    )
    assert len(parts(link())["signature"]) == 64
    assert link("https://mileo.example/portail/").startswith(
        f"https://mileo.example/portail/documents/{SHA256}?"
    )


def test_a_link_is_valid_until_it_expires() -> None:
    given_back = parts(link())
    just_before = EXPIRES_AT - timedelta(milliseconds=1)

    assert check_link(KEY, **given_back, now=NOW) == "valid"
    assert check_link(KEY, **given_back, now=just_before) == "valid"
    assert check_link(KEY, **given_back, now=EXPIRES_AT) == "expired"


@pytest.mark.parametrize(
    "change",
    [
        {"sha256": "0b" * 32},
        {"sha256": SHA256.upper()},
        {"reference": "DOE-MIL-2026-0043-1-v1"},
        {"expires": str(int(EXPIRES_AT.timestamp()) + 1)},
        {"expires": f"{int(EXPIRES_AT.timestamp())} "},
        {"expires": ""},
        {"signature": ""},
        {"signature": "0" * 64},
        {"signature": "é" * 64},
        {"signature": "\ud800"},
        {"reference": "\ud800"},
    ],
)
def test_a_link_that_was_changed_is_forged(change: dict[str, str]) -> None:
    changed = {**parts(link()), **change}

    assert check_link(KEY, **changed, now=NOW) == "forged"
    # Not even that it has expired is told of a link that was never ours.
    assert check_link(KEY, **changed, now=EXPIRES_AT + timedelta(days=1)) == "forged"


def test_another_key_signs_nothing_for_us() -> None:
    assert check_link("5c" * 32, **parts(link()), now=NOW) == "forged"


def test_the_boundary_between_two_parts_is_signed_too() -> None:
    of_link = parts(link())
    shifted = {
        **of_link,
        "reference": of_link["reference"] + of_link["expires"][:1],
        "expires": of_link["expires"][1:],
    }
    assert check_link(KEY, **shifted, now=NOW) == "forged"


@given(
    reference=st.text(max_size=80),
    expires=st.text(max_size=20),
    signature=st.text(max_size=70),
    sha256=st.text(max_size=70),
)
def test_nothing_else_is_ever_valid(
    reference: str, expires: str, signature: str, sha256: str
) -> None:
    standing = check_link(
        KEY, sha256=sha256, reference=reference, expires=expires, signature=signature, now=NOW
    )
    assert standing == "forged"


async def test_the_key_is_kept_by_the_first_and_given_to_all(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path}/register.db"
    one, other = Register(address), Register(address)
    try:
        await one.migrate()
        key = await link_key(one)
        assert len(bytes.fromhex(key)) == 32
        assert await link_key(other) == key
    finally:
        await one.close()
        await other.close()
