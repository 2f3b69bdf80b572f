"""Secrets in the text of a file: what and where, never their value.

The formats are those of the devices and servers that Mileo installs: switches and firewalls,
cameras and recorders, video and access-control servers, and the files people write about them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from process.orders import SecretFound

PASSWORD: Final = "mot de passe"  # noqa: S105 - what it is called, in French
HASH: Final = "empreinte de mot de passe"
COMMUNITY: Final = "communauté SNMP"
SNMPV3: Final = "clé SNMPv3"
PRIVATE_KEY: Final = "clé privée"
SHARED_KEY: Final = "clé partagée"
ACCESS_KEY: Final = "clé d'accès"
TOKEN: Final = "jeton d'accès"  # noqa: S105 - the same
PIN: Final = "code d'accès"

_STEP: Final = 4_000
_BEYOND: Final = 600
"""Characters: a longer line is read in overlapping windows, so that no pattern runs away."""

_V: Final = r"\\?[\"']?(?P<v>[^\s\"'<>&;\\][^\s\"'<>&;]*)"
"""A value, perhaps in quotes, themselves perhaps escaped."""

_TYPE: Final = (
    r"(?:(?:[0456789]|8a|enc|encrypted|cipher(?:text)?|irreversible-cipher|simple|hash|plaintext"
    r"|plain-text|ascii-text|ascii|hex(?:adecimal)?|text|sha-?1|sha-?256|sha-?512|md5|pbkdf2"
    r"|scrypt)\s+)"
)
_WORD: Final = r"(?:pass(?:word|wd|phrase)|secret)"
_TRAP: Final = r"(?:(?:traps?|informs?)\s+)?(?:version\s+\S+\s+(?:(?:no)?auth\s+|priv\s+)?)?"


class _Rule(NamedTuple):
    """What a pattern finds, its value being the group ``v``."""

    what: str
    hints: frozenset[str]
    """Every match has one of these words in it: the others' lines are passed over quickly."""
    pattern: re.Pattern[str]


def _rule(what: str, hints: str, pattern: str) -> _Rule:
    return _Rule(what, frozenset(hints.split()), re.compile(pattern, re.IGNORECASE))


_EVIDENT: Final = (
    _rule(PRIVATE_KEY, "begin", r"(?P<v>-----?\s?BEGIN (?:[A-Z0-9]+ ){0,4}PRIVATE KEY)"),
    _rule(PRIVATE_KEY, "putty", r"^(?P<v>PuTTY-User-Key-File-\d)"),
    _rule(
        HASH,
        "$",
        r"(?P<v>\$(?:[1-9]|14|2[abxy]|g?y|apr1|sha1|md5|scrypt|argon2id?|h\$6|c\$3|6\$rounds=\d+)"
        r"\$[./A-Za-z0-9$+=,-]{6,})",
    ),
    _rule(HASH, "{s", r"(?P<v>\{S?SHA(?:256|512)?\}[A-Za-z0-9+/=]{16,})"),
    _rule(HASH, ":::", r":(?P<v>[0-9a-f]{32}:[0-9a-f]{32}):::"),
    _rule(ACCESS_KEY, "akia asia", r"\b(?P<v>(?:AKIA|ASIA)[0-9A-Z]{16})\b"),
    _rule(TOKEN, "eyj", r"\b(?P<v>eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,})"),
    _rule(
        TOKEN,
        "auth",
        r"\bauthorization[\"']?\s*[:=]\s*[\"']?(?:bearer|basic)\s+(?P<v>[\w.~+/=-]{8,})",
    ),
)
"""Recognised by their form alone."""

_COMMANDS: Final = (
    _rule(
        PASSWORD,
        "://",
        r"\b[a-z][a-z0-9+.-]{1,15}://[^\s/:@\"'<>]{0,64}:(?P<v>[^\s/@\"'<>]{1,128})@",
    ),
    # SNMP, in the words of each make.
    _rule(
        COMMUNITY,
        "communit",
        rf"\bsnmp(?:-server|-agent)?\s+community\s+(?:(?:read|write)\s+)?{_TYPE}?{_V}",
    ),
    _rule(
        COMMUNITY,
        "snmp",
        rf"\bsnmp-server\s+host\s+(?:\S+\s+)?\d[\d.]+\s+{_TRAP}(?:community\s+)?{_V}",
    ),
    _rule(COMMUNITY, "communit", rf"^\s*(?:ro|rw)community6?\s+{_V}"),
    _rule(COMMUNITY, "com2sec", rf"^\s*com2sec6?\s+(?:-Cn\s+\S+\s+)?\S+\s+\S+\s+{_V}"),
    _rule(COMMUNITY, "sink", rf"^\s*(?:trap2?|inform)sink\s+\S+\s+{_V}"),
    _rule(COMMUNITY, "communit", rf"^\s*(?:trap)?community\s+{_V}\s*[{{;]?\s*$"),
    _rule(COMMUNITY, "communit", rf"^\s*/snmp community\b.{{0,200}}?\bname={_V}"),
    _rule(
        SNMPV3,
        "auth createuser",
        r"\b(?:auth|authentication-mode|createUser\s+\S+)"
        rf"\s+(?:md5|sha(?:-?\d+)?)\s+{_TYPE}?{_V}",
    ),
    _rule(
        SNMPV3,
        "priv createuser",
        r"\b(?:priv|privacy-mode|createUser\s.{1,120})\s+(?:3?des|aes)(?:[ -]?(?:128|192|256))?"
        rf"\s+{_TYPE}?{_V}",
    ),
    # Words that are followed by a value, perhaps after the kind of its encryption.
    _rule(PASSWORD, "pass secret", rf"\b{_WORD}\s+{_TYPE}{_V}"),
    _rule(SHARED_KEY, "key psk", rf"\b(?:key|key-string|server-key|psk|[a-z-]+-key)\s+{_TYPE}{_V}"),
    _rule(SHARED_KEY, "key", rf"\b[a-z-]+-key\s+\d+\s+md5\s+{_TYPE}?{_V}"),
    _rule(
        PASSWORD,
        "pass secret",
        rf"^\s*(?:enable|super)\s+{_WORD}\s+(?:level\s+\d+\s+)?{_TYPE}?{_V}",
    ),
    _rule(
        PASSWORD,
        "pass secret",
        rf"^\s*(?:username|local-user|user)\s+\S+\s(?:.{{0,80}}\s)?{_WORD}\s+{_TYPE}?{_V}",
    ),
    _rule(PASSWORD, "pass secret", rf"^\s*{_WORD}\s+{_TYPE}?{_V}\s*(?:encrypted)?\s*;?\s*$"),
    _rule(
        PASSWORD,
        "pass",
        rf"\bpassword\s+(?:manager|operator)\s+(?:user-name\s+\S+\s+)?{_TYPE}?{_V}",
    ),
    _rule(PASSWORD, "pass", rf"\b(?:vtp|ftp|chap|pap|neighbor\s+\S+)\s+password\s+{_TYPE}?{_V}"),
    _rule(PASSWORD, "mgmt-user", r"^\s*mgmt-user\s+\S+\s+\S+\s+(?P<v>[0-9a-f]{16,})"),
    _rule(
        SHARED_KEY,
        "key psk",
        rf"\bset\s+(?:psksecret|presharedkey|pre-shared-key|key)\s+(?:ENC\s+)?{_V}",
    ),
    _rule(
        PASSWORD,
        "pass secret pwd",
        rf"\bset\s+[\w-]{{0,30}}?(?:{_WORD}|pwd)\d?\s+(?:ENC\s+)?{_V}",
    ),
    _rule(
        SHARED_KEY,
        "key",
        r"\b(?:tacacs|radius)-server\s+(?:host\s+\S+\s+(?:.{0,80}\s)?)?"
        rf"key\s+{_TYPE}?{_V}",
    ),
    _rule(SHARED_KEY, "key", rf"\bcrypto\s+isakmp\s+key\s+{_TYPE}?{_V}"),
    _rule(
        SHARED_KEY,
        "key",
        r"\bpre-shared-key\s+(?:address\s+\S+(?:\s+[\d.]+)?\s+key\s+|(?:local|remote)\s+)?"
        rf"{_TYPE}?{_V}",
    ),
    _rule(
        SHARED_KEY,
        "key pass psk",
        rf"^\s*(?:key-string|wpa-passphrase|wpa-psk(?:\s+(?:ascii|hex))?)\s+{_TYPE}?{_V}",
    ),
    _rule(
        SHARED_KEY,
        "key",
        r"^\s+key\s+(?P<v>(?=\S*[\dA-Z!@#%*?_-])(?!\d+\s*$)[^\s<]{4,})\s*$",
    ),
    _rule(
        PASSWORD,
        "pass key secret ascii-text",
        r"\b(?:encrypted-password|plain-text-password-value|authentication-password"
        r"|privacy-password|authentication-key|simple-password|ascii-text|secret)"
        r"\s+\"(?P<v>[^\"<>]+)\"",
    ),
)
"""What a command of a device sets, the most telling commands first."""

_PASSWORDS: Final = r"pass(?:word|wd|wort|wrd|phrase|code)|pwd|mdp|mots?[ _-]?de[ _-]?passe"
_NAMES: Final = (
    (PASSWORD, "pass pwd mdp", _PASSWORDS),
    # In prose, « pass: » is a word like another.
    (PASSWORD, "pass", r"(?:(?:^\s*|(?<=[_.\"'&;,{?<]))pass|(?<![A-Za-z-])pass(?==))"),
    (
        ACCESS_KEY,
        "key clé cle secret",
        r"(?:api|access|secret|account)[_-]?key(?:[_-]?id)?|client[_-]?secret|cl[ée] d['’]api",
    ),
    (
        SHARED_KEY,
        "key psk secret clé cle",
        (
            r"secret|(?:pre-?)?shared-?key|pre-shared-key|psk|(?:wpa2?|wep|network)[_-]?key"
            r"|cl[ée] (?:wi-?fi|wpa\d?|wep|(?:pré-?)?partagée)"
        ),
    ),
    (TOKEN, "token jeton", r"token|jeton"),
    (
        COMMUNITY,
        "communit communaut",
        r"communit(?:y|ies)(?:[_-]?(?:name|string))?|communauté(?: snmp)?",
    ),
    (PRIVATE_KEY, "key", r"private[_-]?key"),
    (
        SNMPV3,
        "auth priv encr",
        r"(?:auth|priv|encr|encryption|authentication)[_-]?(?:key|pass)",
    ),
    (HASH, "hash", r"(?:nt|ntlm|lm|password|passwd)[_-]?hash|phash"),
    (
        PIN,
        "code",
        r"\bcodes? (?:pin|d['’]accès|alarme|installateur|maître|utilisateur)|\bpin ?code",
    ),
)
"""What a value is called: the name may have anything before it, and two digits after it."""


def _values() -> Iterator[_Rule]:
    for what, hints, names in _NAMES:
        name = rf"(?:{names})\d{{0,2}}"
        # « Mot de passe admin (site) : … »
        detail = r"(?:\s?\([^()]{0,40}\)|\s[\w-]{1,20}){0,2}" if what in {PASSWORD, PIN} else ""
        yield _rule(what, hints, rf"{name}\\?[\"']?{detail}\s*(?:=>|:=|=|:)\s*{_V}")
        element = rf"(?<!:)<[\w.:-]{{0,60}}?{name}(?:\s[^<>]{{0,200}})?>"
        yield _rule(what, hints, rf"{element}(?:<!\[CDATA\[)?\s*(?P<v>[^<>\s][^<>]{{0,400}})")
        yield _rule(
            what,
            hints,
            rf"\b(?:name|key|id)\\?[\"']?\s*[=:]\s*\\?[\"'][\w.:-]{{0,60}}?{name}\\?[\"']"
            rf"\s*,?\s*\\?[\"']?(?:value|val)\\?[\"']?\s*[=:]\s*{_V}",
        )


_NAMED: Final = tuple(_values())
_WORDS: Final = {hint for rule in (*_EVIDENT, *_COMMANDS, *_NAMED) for hint in rule.hints}
_HINTS: Final = re.compile(rf"(?=({'|'.join(re.escape(word) for word in sorted(_WORDS))}))")

_NOTHING: Final = re.compile(
    r"[\W_]*"
    r"|(?=.*\*{3}|.*•{3}|.*\.{4}).*"
    r"|[x\W]+|(.)"
    r"|\$\{?[A-Z_][A-Z0-9_.]*\}?|%[A-Z_][A-Z0-9_]*%|\{\{.*|\[[^\]]*\]|\([^)]*\)?|\{.*"
    r"|(?:file:)?(?:/(?:etc|run|var|opt|home|usr)/|~/|\.{1,2}/|[a-z]:\\).*"
    r"|(?:os\.environ|getenv|env|process\.env|vault|!vault)\b.*"
    r"|true|false|yes|no|on|off|oui|non|none|null|nil|undefined|unset|n/?a|enabled?|disabled?"
    r"|required|optional|policy|default|encryption|encrypted|hidden|removed|redacted|masked"
    r"|masquée?|cachée?|supprimée?|vide|aucune?|sans|voir|cf\.?|selon|see|must|should|doit|is|are"
    r"|est|sont|remise?|transmise?|communiquée?|conservée?|définie?|renseigner|inconnue?|string"
    r"|recovery|strength|protected|authentication|authorization|nopassword|for|of|and|or|the|to"
    r"|dans|à|a|le|la|les|un|une|de|du|des|par|pour|et|ou",
    re.IGNORECASE,
)
"""What stands for a value that is absent, hidden, elsewhere, or is prose."""

_DENIED: Final = re.compile(
    r"\b(?:pas|aucun|sans|no|without)(?:\s+de|\s+d['’])?\s+$", re.IGNORECASE
)
_REMOVED: Final = re.compile(r"\s*(?:no|undo)\s+[a-z-]")
_COUNTED: Final = re.compile(r"\s*(?:caract|chiffre|characters|digits|signes|min)", re.IGNORECASE)
_SNMP_SECTION: Final = re.compile(r"\s*(?:/snmp community|config system snmp community)\s*$")
_SECTION_END: Final = re.compile(r"\s*(?:/|end\b)")
_SNMP_NAME: Final = re.compile(rf"\bname[ =]{_V}")
_COLUMN_HINT: Final = re.compile(r"pass|pwd|mdp", re.IGNORECASE)
_COLUMN: Final = re.compile(rf"[\w .-]{{0,30}}?(?:{_PASSWORDS})", re.IGNORECASE)


def secrets_in(lines: Iterable[str]) -> Iterator[SecretFound]:
    """Each secret of these lines, with the number of its line, from 1."""
    table = _Table()
    in_snmp = False
    for number, line in enumerate(lines, start=1):
        if _SNMP_SECTION.match(line):
            in_snmp = True
        elif in_snmp:
            in_snmp = not _SECTION_END.match(line)
            if in_snmp and (name := _SNMP_NAME.search(line)) and not stands_for_nothing(name["v"]):
                yield SecretFound(what=COMMUNITY, line=number)
                continue
        if table.has_password(line):
            yield SecretFound(what=PASSWORD, line=number)
            continue
        for start in range(0, max(len(line), 1), _STEP):
            window = line[start : start + _STEP + _BEYOND]
            for what in _found(window, ends=start + _STEP >= len(line)):
                yield SecretFound(what=what, line=number)


def _found(text: str, *, ends: bool) -> Iterator[str]:
    """What is found in this window; what begins beyond its step belongs to the next one."""
    for place in places_in(text):
        if ends or place.begins < _STEP:
            yield place.what


class Place(NamedTuple):
    """A secret in a text: what it is, where its value stands, and how it was recognised."""

    what: str
    start: int
    end: int
    begins: int
    """Where what announces it begins."""
    by: str
    """``form``: by its form alone; ``command``: of a device; ``name``: what it is called."""


def places_in(text: str) -> Iterator[Place]:
    """Each secret of a text of moderate length."""
    hints = set(_HINTS.findall(text.lower()))
    if not hints or _REMOVED.match(text):
        return
    taken: list[tuple[int, int]] = []
    sorts = (
        ("form", _matches(_EVIDENT, hints, text)),
        ("command", _announced(_COMMANDS, hints, text)),
        ("name", _announced(_NAMED, hints, text)),
    )
    for by, found in sorts:
        for what, match in found:
            start, end = match.span("v")
            overlaps = any(start < other_end and end > other for other, other_end in taken)
            if not overlaps:
                taken.append((start, end))
                yield Place(what, start, end, match.start(), by)


def _matches(
    rules: Iterable[_Rule], hints: set[str], text: str
) -> Iterator[tuple[str, re.Match[str]]]:
    for rule in rules:
        if not hints.isdisjoint(rule.hints):
            for match in rule.pattern.finditer(text):
                yield rule.what, match


def _announced(
    rules: Iterable[_Rule], hints: set[str], text: str
) -> Iterator[tuple[str, re.Match[str]]]:
    """What is said to be a secret, and has a value."""
    for what, match in _matches(rules, hints, text):
        value, before = match["v"], text[max(0, match.start() - 20) : match.start()]
        is_number = value.isdigit() and _COUNTED.match(text[match.end("v") :])
        if not (stands_for_nothing(value) or _DENIED.search(before) or is_number):
            yield what, match


def stands_for_nothing(value: str) -> bool:
    """Whether a value is absent, hidden, elsewhere, or prose."""
    return _NOTHING.fullmatch(value.strip().rstrip(",.:!?)]}")) is not None


class _Table:
    """A table of accounts, as cameras and recorders export them: its header names the column."""

    def __init__(self) -> None:
        self._separator = ""
        self._column = -1
        self._columns = 0

    def has_password(self, line: str) -> bool:
        """Whether this line of the table gives a password; a header opens a new table."""
        if self._separator:
            cells = _cells(line, self._separator)
            if len(cells) == self._columns:
                value = cells[self._column]
                return bool(value) and not stands_for_nothing(value)
            self._separator = ""
        if len(line) > _STEP or not _COLUMN_HINT.search(line):
            return False
        for separator in ";,\t":
            cells = _cells(line, separator)
            named = [i for i, cell in enumerate(cells) if _COLUMN.fullmatch(cell)]
            if named and len(cells) > 1 and not any(c in line for c in "=:<{"):
                self._separator, self._column, self._columns = separator, named[0], len(cells)
                return False
        return False


def _cells(line: str, separator: str) -> list[str]:
    return [cell.strip().strip("\"'") for cell in line.rstrip("\r\n").split(separator)]
