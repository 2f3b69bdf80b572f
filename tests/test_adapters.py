"""What signing services and CRMs send is verified by their own scheme, read through a file, and
refused with the path of what is missing."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from contextlib import suppress
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from reception import Invalid, check_contract, parse_object
from service.adapters import (
    MAX_FILE_BYTES,
    MAX_FILES,
    Event,
    Ignored,
    Source,
    known_sources,
    load_sources,
)
from service.adapters import SOURCES as SHIPPED
from settings import SettingsError

PAYLOADS = Path(__file__).parent / "payloads"
SOURCES = load_sources()
YOUSIGN, DOCUSIGN, CRM = (SOURCES[name] for name in ("yousign", "docusign", "crm-exemple"))
SECRET = b"9f2c6d0b7e1a4c58a3b1d0e5f6a7b8c9"

MINIMAL = """
name: essai
signature: {scheme: hmac-sha256, header: X-Signature, encoding: hex}
accept: {type: signed}
id: id
maps: {reference: ref, signed_at: {path: at, format: iso8601}}
"""


def raw(name: str) -> bytes:
    return (PAYLOADS / f"{name}.json").read_bytes()


def payload(name: str) -> dict[str, Any]:
    return parse_object(raw(name))


def read(source: Source, changed: dict[str, Any]) -> Event:
    event = source.read(changed)
    assert isinstance(event, Event)
    return event


def refusal(source: Source, changed: dict[str, Any]) -> list[str]:
    with pytest.raises(Invalid) as refused:
        source.read(changed)
    return list(refused.value.problems)


def loaded(tmp_path: Path, text: str | bytes, name: str = "essai") -> Source:
    content = text.encode() if isinstance(text, str) else text
    (tmp_path / f"{name}.yaml").write_bytes(content)
    return load_sources(tmp_path)[name]


def wrong(tmp_path: Path, text: str | bytes, name: str = "essai") -> list[str]:
    with pytest.raises(SettingsError) as error:
        loaded(tmp_path, text, name)
    return error.value.problems


# Yousign


def test_yousign_is_verified_by_its_documented_signature() -> None:
    # From `openssl dgst -sha256 -hmac SECRET yousign.json`.
    header = "sha256=938e572f9913483037b7afec0d341a10b66edb100a818709c3e6bed67a0444b2"
    body = raw("yousign")
    assert YOUSIGN.verify({"X-Yousign-Signature-256": header}, body, [SECRET])
    assert YOUSIGN.verify({"x-yousign-signature-256": header}, body, [b"old", SECRET])
    assert not YOUSIGN.verify({"X-Yousign-Signature-256": header}, body + b" ", [SECRET])
    assert not YOUSIGN.verify({"X-Yousign-Signature-256": header}, body, [b"other"])
    assert not YOUSIGN.verify({"X-Yousign-Signature-256": header[7:]}, body, [SECRET])
    assert not YOUSIGN.verify({"X-Signature": header}, body, [SECRET])
    for near in (header[:-1] + "3", header[:-1], header + "2", header.upper(), ""):
        assert not YOUSIGN.verify({"X-Yousign-Signature-256": near}, body, [SECRET])


def test_yousign_completes_the_draft_of_its_external_id() -> None:
    event = read(YOUSIGN, payload("yousign"))
    assert event.id == "d09f0367-d80a-409c-a2ed-7083991fc564"
    assert event.content == {
        "reference": "MIL-2026-001",
        "signed_at": "2026-03-16T10:20:00+00:00",
    }
    assert event.is_signature


@pytest.mark.parametrize(
    ("changes", "differs"),
    [({"event_name": "signer.done"}, "event_name"), ({"sandbox": True}, "sandbox")],
)
def test_another_event_of_yousign_and_its_sandbox_are_ignored(
    changes: dict[str, Any], differs: str
) -> None:
    assert YOUSIGN.read({**payload("yousign"), **changes}) == Ignored(differs)


def test_a_contract_signed_without_its_reference_is_told_with_the_path() -> None:
    changed = payload("yousign")
    changed["data"]["signature_request"]["external_id"] = None
    path = "data.signature_request.external_id"
    assert refusal(YOUSIGN, changed) == [f"{path} : champ obligatoire absent"]
    changed["data"]["signature_request"]["external_id"] = "../x"
    changed["event_time"] = "1"
    assert refusal(YOUSIGN, changed) == [
        f"{path} : forme invalide (lettres, chiffres, « . », « _ » ou « - »)",
        "event_time : année hors limites (2000 à 2099)",
    ]


# DocuSign


def test_docusign_is_verified_by_any_of_its_numbered_signatures() -> None:
    secret = b"pk4Yv0cXo8Zt2m1Q7nR5sW9uB3dF6gH8jK0lM2nP4q8="
    # From `openssl dgst -sha256 -hmac SECRET -binary docusign.json | base64`.
    header = "SMPLyulRl2WjdcPWhWjCndR20pRF8CSfdmXldK/vU98="
    body = raw("docusign")
    first = {"X-DocuSign-Signature-1": "b3RoZXI=", "X-DocuSign-Signature-2": header}
    assert DOCUSIGN.verify(first, body, [secret])
    assert DOCUSIGN.verify({"x-docusign-signature-100": header}, body, [b"old", secret])
    assert not DOCUSIGN.verify({"X-DocuSign-Signature": header}, body, [secret])
    assert not DOCUSIGN.verify({"X-DocuSign-Signature-101": header}, body, [secret])
    assert not DOCUSIGN.verify(first, body[:-1], [secret])


def test_docusign_completes_the_draft_of_its_custom_field() -> None:
    event = read(DOCUSIGN, payload("docusign"))
    assert event.id == "4d3420b8-ce24-4a0a-8135-63c9bb1d0c7e"
    assert event.content == {
        "reference": "MIL-2026-001",
        # The last signature; someone who only received it did so three days later.
        "signed_at": "2026-03-13T16:02:30.113000+00:00",
    }


def test_the_last_signature_is_that_of_whoever_signed_last_wherever_they_signed() -> None:
    changed = payload("docusign")
    recipients = changed["data"]["envelopeSummary"]["recipients"]
    recipients["inPersonSigners"] = [{"signedDateTime": "2026-03-14T10:00:00+01:00"}]
    assert read(DOCUSIGN, changed).content["signed_at"] == "2026-03-14T10:00:00+01:00"
    path = "data.envelopeSummary.recipients.signers[*].signedDateTime"
    recipients["signers"][0]["signedDateTime"] = "hier"
    assert refusal(DOCUSIGN, changed) == [
        f"{path} : instant attendu (exemple : 2026-03-30T08:00:00+02:00)"
    ]
    # Without the recipients, the moment when all was delivered is not taken for a signature.
    del changed["data"]["envelopeSummary"]["recipients"]
    assert refusal(DOCUSIGN, changed) == [f"{path} : champ obligatoire absent"]


def test_an_envelope_without_its_custom_field_is_told_with_the_path() -> None:
    changed = payload("docusign")
    fields = changed["data"]["envelopeSummary"]["customFields"]["textCustomFields"]
    path = "data.envelopeSummary.customFields.textCustomFields[name=reference].value"
    twice = deepcopy(changed)
    twice["data"]["envelopeSummary"]["customFields"]["textCustomFields"] = [fields[1], fields[1]]
    assert refusal(DOCUSIGN, twice) == [f"{path} : plusieurs éléments ont name=reference"]
    del fields[1]
    assert refusal(DOCUSIGN, changed) == [f"{path} : champ obligatoire absent"]
    del changed["data"]["envelopeSummary"]
    assert refusal(DOCUSIGN, changed) == [
        f"{path} : champ obligatoire absent",
        "data.envelopeSummary.recipients.signers[*].signedDateTime : champ obligatoire absent",
    ]


# A CRM that sends the whole contract


def test_the_event_of_a_crm_is_a_whole_contract() -> None:
    event = read(CRM, payload("crm-exemple"))
    assert not event.is_signature
    assert event.id == "88121"
    contract = check_contract(event.content)
    assert contract.reference == "2026001"
    assert contract.signed_at == datetime(2026, 3, 16, 10, 20, 0, 250_000, tzinfo=UTC)
    assert contract.project_kind == "replacement"
    assert contract.client.technical_lead.name == "Inès Chabert"
    assert contract.client.decision_maker.job == "Directrice"
    assert contract.client.primary_user is None
    assert contract.team.project_manager is None
    assert [site.zone for site in contract.sites] == ["metropole", "alsace-moselle"]
    assert [(item.family, item.serial) for item in contract.equipment] == [
        ("vms", "SN-1"),
        ("network", None),
    ]
    assert contract.maintenance is not None
    assert contract.maintenance.phones == ["01 84 00 20 99"]


def test_each_field_that_is_missing_in_a_list_is_named() -> None:
    changed = payload("crm-exemple")
    del changed["affaire"]["sites"][1]["code"]
    changed["affaire"]["lignes"][0]["gamme"] = "Vidéosurveillance"
    changed["affaire"]["lignes"][1] = "SW-01"
    changed["affaire"]["nature"] = {"x": 1}
    found = refusal(CRM, changed)
    assert "affaire.nature : texte attendu" in found
    assert "affaire.sites[1].code : champ obligatoire absent" in found
    assert (
        "affaire.lignes[0].gamme : valeur inconnue ; attendu : "
        "Vidéo, Accès, Hypervision, Réseau, Divers" in found
    )
    assert "affaire.lignes[1].repere : champ obligatoire absent" in found


def test_an_event_of_thousands_of_elements_is_refused_in_few_words() -> None:
    changed = payload("crm-exemple")
    changed["affaire"]["lignes"] = [{}] * 300_000
    assert refusal(CRM, changed) == ["affaire.lignes : trop d'éléments (1000 au plus)"]
    changed["affaire"]["lignes"] = [{}] * 1_000
    assert len(refusal(CRM, changed)) == 50


def test_a_source_may_sign_as_our_own_clients_do() -> None:
    secret = bytes(range(32))
    body, now = raw("crm-exemple"), datetime.now(UTC)
    signed = {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": str(int(now.timestamp())),
        "Webhook-Signature": Webhook(secret).sign("msg_1", now, body.decode()),
    }
    assert CRM.verify(signed, body, [b"another secret, an older one", secret])
    assert not CRM.verify(signed, body + b" ", [secret])
    assert not CRM.verify({**signed, "Webhook-Timestamp": "1773656400"}, body, [secret])


# Values


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-03-16T11:20:00.1234567+01:00", "2026-03-16T11:20:00.123456+01:00"),
        ("2026-03-16T10:20:00Z", "2026-03-16T10:20:00+00:00"),
        ("2026-03-16T10:20:00", "at : fuseau manquant (exemple : 2026-03-30T08:00:00+02:00)"),
        ("2026-03-16", "at : fuseau manquant (exemple : 2026-03-30T08:00:00+02:00)"),
        ("demain", "at : instant attendu (exemple : 2026-03-30T08:00:00+02:00)"),
        (1773656400, "at : texte ISO 8601 attendu, pas un nombre"),
        ("1.7736E+09", "at : texte ISO 8601 attendu, pas un nombre"),
        ("2026-W12-1T10:20:00Z", "at : instant attendu (exemple : 2026-03-30T08:00:00+02:00)"),
        ("1926-03-16T10:20:00Z", "at : année hors limites (2000 à 2099)"),
    ],
)
def test_an_iso_instant_needs_its_offset(tmp_path: Path, at: Any, expected: str) -> None:
    source = loaded(tmp_path, MINIMAL)
    event = {"type": "signed", "id": "1", "ref": "A", "at": at}
    if expected.startswith("at :"):
        assert refusal(source, event) == [expected]
    else:
        assert read(source, event).content["signed_at"] == expected


@pytest.mark.parametrize("unit", ["epoch-seconds", "epoch-milliseconds"])
@pytest.mark.parametrize(
    "at", [True, -1, 10**40, 1e300, float("nan"), "12h", "١٢", "1" * 20, [], {}]
)
def test_what_is_no_unix_time_is_refused(tmp_path: Path, unit: str, at: Any) -> None:
    source = loaded(tmp_path, MINIMAL.replace("iso8601", unit))
    assert refusal(source, {"type": "signed", "id": "1", "ref": "A", "at": at}) == [
        "at : nombre de secondes ou de millisecondes depuis 1970 attendu"
    ]


@pytest.mark.parametrize("kept", [1773656400, 1773656400.0, "1773656400", "1773656400.000"])
def test_a_unix_time_may_be_a_number_or_a_text(tmp_path: Path, kept: Any) -> None:
    source = loaded(tmp_path, MINIMAL.replace("iso8601", "epoch-seconds"))
    event = read(source, {"type": "signed", "id": "1", "ref": "A", "at": kept})
    assert event.content["signed_at"] == "2026-03-16T10:20:00+00:00"


@pytest.mark.parametrize("identifier", ["x" * 201, "a\nb", " ", [], True, 10**30])
def test_an_event_is_known_by_one_short_line(tmp_path: Path, identifier: Any) -> None:
    source = loaded(tmp_path, MINIMAL)
    event = {"type": "signed", "id": identifier, "ref": "A", "at": "2026-03-16T10:20:00Z"}
    if identifier is True:
        # A flag is nobody's id, yet it is one short line.
        assert read(source, event).id == "true"
    else:
        assert refusal(source, event)[0].startswith("id : ")


def test_a_condition_tells_true_from_one_and_takes_several_values(tmp_path: Path) -> None:
    source = loaded(tmp_path, MINIMAL.replace("{type: signed}", "{live: true, n: [1, 2]}"))
    event = {"live": True, "n": 2, "id": 7, "ref": "A", "at": "2026-03-16T10:20:00Z"}
    assert read(source, event).id == "7"
    assert source.read({**event, "live": 1}) == Ignored("live")
    assert source.read({**event, "n": True}) == Ignored("n")
    assert source.read({**event, "n": "2"}) == Ignored("n")


def test_a_crm_may_send_drafts_whose_signature_comes_from_elsewhere(tmp_path: Path) -> None:
    text = (SHIPPED / "crm-exemple.yaml").read_text("utf-8")
    line = "  signed_at: {path: affaire.signee_le, format: epoch-milliseconds}\n"
    assert line in text
    source = loaded(tmp_path, text.replace(line, ""), "crm-exemple")
    event = read(source, payload("crm-exemple"))
    assert "signed_at" not in event.content
    assert not event.is_signature


# Files


def test_adding_a_source_is_adding_a_file(tmp_path: Path) -> None:
    source = loaded(tmp_path, MINIMAL)
    body = b'{"type": "signed", "id": 1, "ref": "A", "at": "2026-03-16T10:20:00Z"}'
    signature = hmac.new(SECRET, body, hashlib.sha256).hexdigest()
    assert source.verify({"x-signature": signature}, body, [SECRET])
    assert read(source, parse_object(body)).content["reference"] == "A"


def test_the_example_of_the_documentation_can_be_pasted(tmp_path: Path) -> None:
    page = (Path(__file__).parent.parent / "docs" / "sources.md").read_text("utf-8")
    example = page.partition("```yaml\n")[2].partition("```")[0]
    assert loaded(tmp_path, example, "mon-crm").signature.scheme == "hmac-sha256"
    assert all(f"`{name}.yaml`" in page for name in SOURCES)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("name: essai", "name: autre", "name : « essai » attendu, comme le fichier"),
        ("id: id", "id: id\nextra: 1", "extra : champ inconnu"),
        ("id: id\n", "", "id : champ obligatoire absent"),
        ("id: id", "id: id\nid: ref", "clé « id » donnée deux fois"),
        ("id: id", "id: &a id", "ancres et alias YAML (& et *) interdits"),
        ("id: id", "id: *a", "ancres et alias YAML (& et *) interdits"),
        ("id: id", "id: [", "YAML invalide (ligne 7)"),
        ("id: id", "id: 2026-99-99", "YAML invalide"),
        ("id: id", "id: !!python/object:os.system x", "YAML invalide (ligne 5)"),
        ("id: id", "id: a..b", "id : chemin attendu (exemple : data.signers[0].email)"),
        ("id: id", "id: a[b", "id : chemin attendu (exemple : data.signers[0].email)"),
        ("hmac-sha256", "md5", "signature : valeur invalide"),
        ("encoding: hex", "encoding: rot13", "signature.encoding : valeur inconnue ; attendu : "),
        ("header: X-Signature, ", "", "signature.header : champ obligatoire absent"),
        ("accept: {type: signed}", "accept: {type: {}}", "accept"),
        ("reference: ref", "reference: {constant: A}", "maps : reference (chemin attendu)"),
        ("reference: ref", "reference: [ref]", "maps.reference : valeur invalide"),
        (
            "reference: ref",
            "reference: {path: ref, constant: A}",
            "maps.reference : un seul attendu parmi path, latest, constant et each",
        ),
        ("format: iso8601", "format: rfc822", "maps.signed_at.format : valeur inconnue"),
        ("format: iso8601", "formats: iso8601", "maps.signed_at.formats : champ inconnu"),
        ("reference: ref", "reference: ref, client: {name: n}", "client.decision_maker (champ"),
        ("reference: ref", "reference: ref, client: {nom: n}", "client.nom (champ inconnu du"),
        ("reference: ref", "reference: ref, client: n", "client (objet attendu)"),
        ("reference: ref", "reference: ref, sites: s", "sites (each attendu)"),
        (
            "reference: ref",
            "reference: ref, sites: {each: s, maps: {code: c}}",
            "sites.address (champ obligatoire absent)",
        ),
    ],
)
def test_a_file_that_is_wrong_is_told_at_once(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    assert old in MINIMAL
    found = wrong(tmp_path, MINIMAL.replace(old, new))
    assert any(line.startswith("essai.yaml : ") and expected in line for line in found), found


def test_a_file_that_is_no_text_too_large_or_too_deep_is_refused(tmp_path: Path) -> None:
    assert wrong(tmp_path, b"\xff\xfe\xfa") == ["essai.yaml : YAML invalide"]
    assert wrong(tmp_path, "[" * 50_000) == ["essai.yaml : YAML invalide"]
    assert wrong(tmp_path, "") != []
    large = MINIMAL + "#" * MAX_FILE_BYTES
    assert wrong(tmp_path, large) == ["essai.yaml : fichier trop volumineux (64 ko au plus)"]


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="dossier absent"):
        load_sources(tmp_path / "nulle-part")


# The folder of an operator


def test_an_operator_adds_sources_and_replaces_those_that_are_shipped(tmp_path: Path) -> None:
    assert known_sources() == SOURCES
    (tmp_path / "essai.yaml").write_text(MINIMAL)
    (tmp_path / "yousign.yml").write_text(MINIMAL.replace("name: essai", "name: yousign"))
    (tmp_path / "LISEZMOI.md").write_text("not a source")
    (tmp_path / ".essai.yaml.swp.yaml").write_text("not a source")

    known = known_sources(tmp_path)

    assert known.keys() == SOURCES.keys() | {"essai"}
    assert known["docusign"] == DOCUSIGN
    assert known["yousign"] != YOUSIGN
    assert known["yousign"].maps == known["essai"].maps


def test_a_wrong_file_of_an_operator_is_told_with_the_setting_the_file_and_the_path(
    tmp_path: Path,
) -> None:
    (tmp_path / "essai.yaml").write_text(MINIMAL.replace("encoding: hex", "encoding: octal"))
    (tmp_path / "bon.yaml").write_text(MINIMAL.replace("name: essai", "name: bon"))
    (tmp_path / "bon.yml").write_text(MINIMAL.replace("name: essai", "name: bon"))
    with pytest.raises(SettingsError) as error:
        known_sources(tmp_path)
    twice, wrong_encoding = error.value.problems
    assert twice == "ONBOARDING_SOURCES : bon.yml : name : « bon » est déjà dans un autre fichier"
    assert wrong_encoding.startswith("ONBOARDING_SOURCES : essai.yaml : signature.encoding : ")


def test_the_folder_of_an_operator_must_be_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="ONBOARDING_SOURCES : dossier absent"):
        known_sources(tmp_path / "absent")
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="ONBOARDING_SOURCES : dossier illisible"):
        known_sources(tmp_path / "file")


def test_files_are_links_as_orchestrators_make_them_and_never_lead_out(tmp_path: Path) -> None:
    folder = tmp_path / "sources"
    (folder / "..2026").mkdir(parents=True)
    (folder / "..2026" / "essai.yaml").write_text(MINIMAL)
    (folder / "..data").symlink_to("..2026")
    (folder / "essai.yaml").symlink_to("..data/essai.yaml")
    assert load_sources(folder).keys() == {"essai"}

    (tmp_path / "loin.yaml").write_text(MINIMAL.replace("name: essai", "name: loin"))
    (folder / "loin.yaml").symlink_to("../loin.yaml")
    (folder / "boucle.yaml").symlink_to("boucle.yaml")
    (folder / "perdu.yaml").symlink_to("nulle-part.yaml")
    (folder / "dossier.yaml").mkdir()
    os.mkfifo(folder / "tube.yaml")
    with pytest.raises(SettingsError) as error:
        load_sources(folder)
    assert [line.partition(" : ")[::2] for line in error.value.problems] == [
        ("boucle.yaml", "fichier illisible"),
        ("dossier.yaml", "fichier attendu"),
        ("loin.yaml", "lien vers l'extérieur du dossier"),
        ("perdu.yaml", "fichier attendu"),
        ("tube.yaml", "fichier attendu"),
    ]


def test_a_folder_with_too_many_sources_is_refused(tmp_path: Path) -> None:
    for number in range(MAX_FILES + 1):
        (tmp_path / f"{number}.yaml").touch()
    with pytest.raises(SettingsError, match="100 fichiers au plus, 101 trouvés"):
        load_sources(tmp_path)


# Hostile input


def outcome(source: Source, value: dict[str, Any]) -> Event | Ignored | Invalid:
    try:
        return source.read(value)
    except Invalid as refused:
        return refused


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


@given(source=st.sampled_from(sorted(SOURCES)), value=st.dictionaries(st.text(), anything))
def test_no_payload_breaks_the_reading(source: str, value: dict[str, Any]) -> None:
    told = outcome(SOURCES[source], value)
    assert not isinstance(told, Invalid) or told.problems


@given(source=st.sampled_from(sorted(SOURCES)), value=anything, data=st.data())
def test_no_value_in_place_of_a_true_one_breaks_the_reading(
    source: str, value: Any, data: st.DataObject
) -> None:
    changed = payload(source)
    place: Any = changed
    while True:
        key = data.draw(
            st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place)))
        )
        if not isinstance(place[key], (dict, list)) or not place[key] or data.draw(st.booleans()):
            place[key] = value
            break
        place = place[key]
    told = outcome(SOURCES[source], changed)
    if isinstance(told, Invalid):
        assert 0 < len(told.problems) <= 50
    elif isinstance(told, Event) and not told.is_signature:
        with suppress(Invalid):
            check_contract(told.content)


names = st.sampled_from(
    [
        "x-yousign-signature-256",
        "X-DocuSign-Signature-1",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
    ]
)
values = st.text() | st.sampled_from(["sha256=", "v1,", "v1,AAAA v1", "1e999", "nan"])


@given(
    source=st.sampled_from(sorted(SOURCES)),
    headers=st.dictionaries(names | st.text(), values),
    body=st.binary(),
    secrets=st.lists(st.binary(), max_size=3),
)
def test_no_header_and_no_body_breaks_the_verification(
    source: str, headers: dict[str, str], body: bytes, secrets: list[bytes]
) -> None:
    assert SOURCES[source].verify(headers, body, secrets) is False


@given(body=st.binary())
def test_nobody_passes_for_a_service_that_has_no_secret(body: bytes) -> None:
    digest = hmac.new(b"", body, hashlib.sha256).digest()
    for secrets in ([], [b""]):
        headers = {"x-yousign-signature-256": f"sha256={digest.hex()}"}
        assert not YOUSIGN.verify(headers, body, secrets)
        headers = {"x-docusign-signature-1": base64.b64encode(digest).decode()}
        assert not DOCUSIGN.verify(headers, body, secrets)
    assert not CRM.verify({"webhook-id": "1"}, body, [])
