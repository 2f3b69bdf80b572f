"""Secrets are found in what devices and people write, and nothing else is."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.inspecting.secrets_scan import (
    ACCESS_KEY,
    COMMUNITY,
    HASH,
    PASSWORD,
    PIN,
    PRIVATE_KEY,
    SHARED_KEY,
    SNMPV3,
    TOKEN,
    secrets_in,
)

SECRETS = [
    # Cisco IOS, NX-OS, ASA
    ("enable secret 5 $1$mERr$hx5rVt7rPNoS4wqbXKX7m0", HASH),
    ("enable secret 9 $9$nhEmQVczB7dqsO$X.HsgL6x1il0RxkOSSvyQYwucySCt7qFm4v7pqCxkKM", HASH),
    ("enable password 7 0822455D0A16", PASSWORD),
    ("enable password Mileo2024", PASSWORD),
    ("enable password 8Ry2YjIyt7RRXU24 encrypted", PASSWORD),
    ("enable secret 0 changeme", PASSWORD),
    ("username admin privilege 15 secret 8 $8$dsYGNam3K1SIJO$7nv/35M/qr6t.dVc7UY9zrJ", HASH),
    ("username tech password 0 azerty", PASSWORD),
    ("username admin password 5 $5$LKIBPD$ZrGJCs2PTtGB role network-admin", HASH),
    (" password 7 070C285F4D06", PASSWORD),
    (" password cisco", PASSWORD),
    ("passwd 2KFQnbNIdI.2KYOU encrypted", PASSWORD),
    ("snmp-server community public RO", COMMUNITY),
    ("snmp-server community m1l30-rw RW 10", COMMUNITY),
    ("snmp-server host 10.1.1.5 version 2c TrapMileo", COMMUNITY),
    ("tacacs-server host 10.0.0.9 key 7 0538092F", SHARED_KEY),
    ("radius-server key Rad1us!", SHARED_KEY),
    (" key 7 104D000A0618", SHARED_KEY),
    (" key Tac4cs-Mileo", SHARED_KEY),
    ("crypto isakmp key V3ryS3cret address 203.0.113.7", SHARED_KEY),
    (" pre-shared-key address 0.0.0.0 0.0.0.0 key 6 QWSd[BZ", SHARED_KEY),
    (" ikev1 pre-shared-key Tunnel-2024", SHARED_KEY),
    ("ntp authentication-key 1 md5 0300520A0A1B 7", SHARED_KEY),
    (" ip ospf message-digest-key 1 md5 7 02050D480809", SHARED_KEY),
    (" neighbor 10.0.0.1 password 7 13061E010803", PASSWORD),
    (" wpa-psk ascii 0 WifiCamera1", SHARED_KEY),
    ("snmp-server user sup GRP v3 auth sha AuthMileo1 priv aes 128 PrivMileo1", SNMPV3),
    # HP ProCurve, Aruba, Comware
    ('password manager user-name "admin" sha1 "b6ff1bd5c8d3a4d5f8e9"', PASSWORD),
    ("password manager plaintext Mileo-75", PASSWORD),
    ('snmp-server community "public" unrestricted', COMMUNITY),
    ("user admin group administrators password ciphertext AQBapWl8I2ZunZ43NE/8KlbQ7zYC", PASSWORD),
    ("mgmt-user admin root 8a9d3c2f01b5e7aa77c0", PASSWORD),
    (" wpa-passphrase 5f1c2d3e4b", SHARED_KEY),
    (" password hash $h$6$uGtCrVgnHWKnvaJe$5sUiHZHWrT", HASH),
    (" set authentication password cipher $c$3$9UYkPEcXzQdyD", HASH),
    # Juniper
    ('encrypted-password "$6$Mi1eo$5Yk7uAqzX0pV"; ## SECRET-DATA', HASH),
    ('secret "$9$Hk5FApBSrv69X-b"; ## SECRET-DATA', HASH),
    ("set snmp community supervision authorization read-only", COMMUNITY),
    ('pre-shared-key ascii-text "Tunnel Paris"', SHARED_KEY),
    # Fortinet
    ("        set password ENC AK1zNaAVxWlg2AVFSB2mcfDa1pzvBDi", PASSWORD),
    ("        set psksecret ENC Yx3cGpJaLQxV1Q", SHARED_KEY),
    ("    set auth-pwd ENC bXktcGFzc3dvcmQ", PASSWORD),
    # MikroTik
    ("/user add name=admin password=Mileo75 group=full", PASSWORD),
    ("set [ find default=yes ] mode=dynamic-keys wpa2-pre-shared-key=Camera2024", SHARED_KEY),
    ("/ip ipsec identity add peer=siege secret=Tunnel-75", SHARED_KEY),
    ("/snmp community set [ find default=yes ] name=supervision", COMMUNITY),
    # Cameras, recorders, video management, access control
    ("<password>12345</password>", PASSWORD),
    (
        '<User><userName>admin</userName><password encryptType="sha256">Hik12345+</password>',
        PASSWORD,
    ),
    ("table.Users[0].Password=Dahua#2023", PASSWORD),
    ('"PassWord" : "6QNMIQGe"', PASSWORD),
    ("root.SNMP.V1ReadCommunity=supervision", COMMUNITY),
    ("root.Network.Wireless.WPA.PSK=camera-5g", SHARED_KEY),
    ('<Hardware HardwareUserName="root" HardwarePassword="pass" />', PASSWORD),
    ("<tt:Username>onvif</tt:Username><tt:Password>0nv1f!</tt:Password>", PASSWORD),
    ('<property name="AdminPassword" value="Genetec1" />', PASSWORD),
    ('{"name": "camera_password", "value": "root75"}', PASSWORD),
    ("rtsp://root:pass@10.12.0.7:554/axis-media/media.amp", PASSWORD),
    ("http://10.12.0.7/axis-cgi/pwdgrp.cgi?action=add&user=mileo&pwd=Mi1eo&grp=users", PASSWORD),
    ("Server=SQL01;Database=Surveillance;User Id=sa;Password=Str0ng!;", PASSWORD),
    # Files of settings, and what people write
    ("DB_PASSWORD=changeme", PASSWORD),
    ("passwd: 'azerty'", PASSWORD),
    ("pwd = 0000", PASSWORD),
    ("user=root pass=Mi1eo", PASSWORD),
    ("  pass: Mi1eo", PASSWORD),
    ('"cam_pass": "Mi1eo"', PASSWORD),
    ("Mot de passe : Azerty123", PASSWORD),
    ("Mot de passe admin : Azerty123", PASSWORD),
    ("mots de passe (enregistreur) = Mileo!75", PASSWORD),
    ("MDP: Mileo!75", PASSWORD),
    ("Code installateur : 4567", PIN),
    ('\\"password\\":\\"Azerty123\\"', PASSWORD),
    ("api_key = 9f8b7c6d5e", ACCESS_KEY),
    ("client_secret: 9f8b7c6d5e", ACCESS_KEY),
    ("access_token=ya29.a0AfH6SMBx", TOKEN),
    ("Authorization: Basic YWRtaW46YXplcnR5", TOKEN),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJtaWxlbyJ9.c2lnbmF0dXJl0000", TOKEN),
    ("aws_access_key_id AKIAIOSFODNN7EXAMPLE", ACCESS_KEY),
    ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ACCESS_KEY),
    ('    psk="LeWifiDuSite"', SHARED_KEY),
    ("wpa_passphrase=LeWifiDuSite", PASSWORD),
    ("rocommunity supervision 10.0.0.0/8", COMMUNITY),
    ("com2sec readonly default supervision", COMMUNITY),
    ('createUser bob SHA "authpass1" AES', SNMPV3),
    ("privKey=0x1f2e3d4c", SNMPV3),
    # Hashes and keys
    ("root:$6$rounds=5000$saltsalt$Xy7kq1eFz:19000:0:99999:7:::", HASH),
    ("admin:$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o", HASH),
    ("admin:$apr1$lZL6V/ci$eIMz/iKDkbtys/uU7LEK00", HASH),
    ("admin:$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC", HASH),
    ("mileo:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", HASH),
    (
        "Administrator:500:aad3b435b51404eeaad3b435b51404ee:31d6cfe0d16ae931b73c59d7e0c089c0:::",
        HASH,
    ),
    ("-----BEGIN RSA PRIVATE KEY-----", PRIVATE_KEY),
    ("-----BEGIN OPENSSH PRIVATE KEY-----", PRIVATE_KEY),
    ("-----BEGIN PRIVATE KEY-----", PRIVATE_KEY),
    ("PuTTY-User-Key-File-3: ssh-ed25519", PRIVATE_KEY),
]

HARMLESS = [
    "",
    "service password-encryption",
    "no enable password",
    "no snmp-server community public",
    "security passwords min-length 8",
    "aaa authentication login default group tacacs+ local",
    "password_min_length = 12",
    "password encryption aes",
    "set password-policy enable",
    "key chain OSPF",
    " key 1",
    "crypto key generate rsa modulus 2048",
    "snmp-server community <removed> RO",
    "snmp-server location Local technique R+1",
    "snmp-server contact exploitation@client.example",
    "snmp-server user sup GRP v3",
    "username admin privilege 15 nopassword",
    " pre-shared-key *****",
    "! pas de mot de passe : accès par clé",
    "# sans mot de passe",
    "Aucun mot de passe : compte fermé",
    "Mot de passe : voir le coffre-fort",
    "Mot de passe : ________",
    "Mot de passe : 12 caractères au moins",
    "Mot de passe :",
    "Le mot de passe de l'administrateur a été remis en main propre.",
    "Password must be changed every 90 days",
    "Password required",
    "password: ****",
    "password: <password>",
    "password =",
    'password=""',
    'wpa2-pre-shared-key=""',
    "password = ${DB_PASSWORD}",
    "password=%DB_PASSWORD%",
    "password: '{{ vault_password }}'",
    '"password": "",',
    '"password": null',
    '"passwordRequired": true',
    '"reset_password": false,',
    "<password></password>",
    "<Password/>",
    '<property name="password" value="" />',
    "rtsp://10.12.0.7:554/stream1",
    "rtsp://<user>:<pass>@camera/stream",
    "https://portail.example:8443/plan@site",
    "mailto:exploitation@client.example",
    "-----BEGIN CERTIFICATE-----",
    "-----BEGIN PUBLIC KEY-----",
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQC7 mileo@siege",
    "root:x:0:0:root:/root:/bin/bash",
    "private_key = /etc/ssl/private/serveur.key",
    "Bypass: true",
    "Ce test n'a pas pu passer: it did not pass: it failed",
    "Relevé des câbles",
    "La clé des locaux et le jeton des vestiaires sont à l'accueil.",
    "Tableau 3 : clés de lecture du plan",
    "Boîtier de commande : 4 boutons",
    "00:1b:44:11:3a:b7",
    "sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
]


def found(*lines: str) -> list[tuple[str, int | None]]:
    return [(one.what, one.line) for one in secrets_in(lines)]


@pytest.mark.parametrize(("line", "what"), SECRETS)
def test_a_secret_is_found_where_devices_write_it(line: str, what: str) -> None:
    assert (what, 1) in found(line)


def test_each_secret_is_counted_once() -> None:
    assert found("enable secret 5 $1$mERr$hx5rVt7rPNoS4wqbXKX7m0") == [(HASH, 1)]
    assert found("rtsp://root:pass@h/ password=Azerty1 token=abcdef") == [
        (PASSWORD, 1),
        (PASSWORD, 1),
        (TOKEN, 1),
    ]
    user = "snmp-server user sup GRP v3 auth sha AuthMileo1 priv aes 128 PrivMileo1"
    assert found(user) == [(SNMPV3, 1), (SNMPV3, 1)]


@pytest.mark.parametrize("line", HARMLESS)
def test_what_is_no_secret_raises_no_alarm(line: str) -> None:
    assert found(line) == []


def test_the_line_of_a_secret_is_told() -> None:
    assert found("hostname SW1", "!", "enable password azerty", "end") == [(PASSWORD, 3)]


def test_a_community_is_found_in_the_section_that_names_it() -> None:
    fortinet = (
        "config system snmp community",
        "    edit 1",
        '        set name "supervision"',
        "end",
    )
    mikrotik = ("/snmp community", "set [ find default=yes ] name=supervision", "/system identity")
    assert found(*fortinet, 'set name "siege"') == [(COMMUNITY, 3)]
    assert found(*mikrotik, "set name=siege") == [(COMMUNITY, 2)]


def test_a_table_of_accounts_gives_one_password_a_row() -> None:
    table = (
        "Adresse;Compte;Mot de passe",
        "10.0.0.1;root;Mi1eo",
        "10.0.0.2;root;",
        "10.0.0.3;a;b1",
    )
    assert found(*table, "", "a;b;c") == [(PASSWORD, 2), (PASSWORD, 4)]


def test_a_long_line_is_read_to_its_end_and_soon() -> None:
    camera = '{"ip": "10.0.0.1", "password": "Azerty%d"}, '
    line = "".join(camera % number for number in range(5_000))
    begun = time.process_time()
    assert found(line) == [(PASSWORD, 1)] * 5_000
    assert time.process_time() - begun < 10


@pytest.mark.parametrize(
    "part", ["password", "a", "<password ", "snmp community ", "  key ", "$1$/"]
)
def test_no_pattern_runs_away(part: str) -> None:
    begun = time.process_time()
    found(part * (200_000 // len(part)))
    assert time.process_time() - begun < 10


@given(st.lists(st.text()))
def test_any_text_can_be_read(lines: list[str]) -> None:
    for what, line in found(*lines):
        assert what
        assert line is not None
        assert 1 <= line <= len(lines)


@given(
    st.sampled_from(["password={}", "enable secret 0 {}", "<password>{}</password>", "psk: {}"]),
    st.from_regex(r"[A-Z][a-z]{3}[0-9]{4}[a-z]{4}", fullmatch=True),
)
def test_a_value_is_found_and_never_told(form: str, value: str) -> None:
    secrets = list(secrets_in([form.format(value)]))
    assert len(secrets) == 1
    assert value not in secrets[0].model_dump_json()
