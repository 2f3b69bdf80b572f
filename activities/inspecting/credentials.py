"""How people and manufacturers write credentials on a page: what announces a secret, what may be
one, and what only looks like one. Pure: words in, places of values out.

A label alone proves little (« Mot de passe oublié ? »), a value alone even less (« P3268-LV »): a
secret is a label with a value that can be one. French and English, as in the files of a DOE.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final, NamedTuple

from activities.inspecting.secrets_scan import (
    ACCESS_KEY,
    COMMUNITY,
    PASSWORD,
    PIN,
    SHARED_KEY,
    SNMPV3,
    TOKEN,
    stands_for_nothing,
)

IDENTIFIERS: Final = "identifiants"
"""A label that announces an account, perhaps with its password behind a stroke."""

# --- Labels: written in lower case, without accents -------------------------------------------

_DEVICE: Final = (
    r"(?:snmp|v[123]c?|ro|rw|read|write|lecture|ecriture|only|seule|public|prive|private|de|en|d'"
    r"|la|et|/|-|\s)*"
)
_LABELS: Final = (
    (
        SNMPV3,
        (r"(?:cles?|mots? de passe|secret) (?:snmp ?v?3 )?(?:d'?auth\w*|d[e'] ?(?:confidentialite"
        r"|priv\w*|chiffrement)|auth|priv)(?: snmp ?v?3)?"
        r"|(?:snmp ?v?3 )?(?:auth(?:entication)?|priv(?:acy)?)[ -](?:key|password|pass ?phrase|pwd)"),
    ),
    (
        PASSWORD,
        (r"mots? de passes?|mot2passe|m\.?d\.?p\.?|pass[ -]?words?|pass ?wd|pwd|pass[ -]?phrases?"
        r"|pass[ -]?codes?|phrase (?:de passe|secrete)|passwort|kennwort|contrasena"),
    ),
    (
        COMMUNITY,
        (rf"communautes?{_DEVICE}|(?:snmp|read|write|ro|rw|trap|{_DEVICE}) ?communit(?:y|ies)"
        r"(?: (?:strings?|names?))?|(?:nom|chaine) de communaute(?: snmp)?"),
    ),
    (
        SHARED_KEY,
        (r"cles? (?:de |du |d'|d'acces |pre-?)?(?:reseau |securite |acces )?(?:wpa ?\d?|wi-?fi|wep"
        r"|wlan|ssid|pre-?partagee|partagee|secrete|reseau|securite|psk|ipsec|ike|vpn|tunnel"
        r"|radius|tacacs\+?|chiffrement|maitre|maitresse|desfire|mifare)"
        r"(?:[ /-]?(?:wpa\d?|psk|personal|personnel|aes|enterprise|partagee|wi-?fi|radius|vpn))*"
        r"|(?:wpa ?\d?|wi-?fi|wep|wlan|network|security|wireless|pre-?shared|shared|encryption"
        r"|radius|tacacs\+?|master|ipsec|ike|vpn|tunnel)"
        r"(?:[ /-](?:wpa\d?|psk|personal|security|network|pre-?shared|shared|vpn))* "
        r"(?:keys?|secret|psk)"
        r"|(?:wpa\d?[ -])?psk|wpa\d?[ -]?(?:key|cle)|secrets?(?: (?:partages?|radius|ipsec|vpn))*"),
    ),
    (
        ACCESS_KEY,
        (r"cles? (?:d'?api|api|d'acces (?:api|cloud))|(?:api|access|secret|account|storage)[ -]keys?"
        r"|client secrets?|secret (?:client|de l'application)"),
    ),
    (TOKEN, (r"(?:jetons?|tokens?)(?: (?:d'acces|d'authentification|api|d'api))?"
            r"|(?:access|api|auth\w*|bearer|refresh) tokens?")),
    (
        PIN,
        (r"codes? (?:pin|puk|d'acces|(?:d'|de l')?alarme|(?:d')?installat(?:eur|ion)|maitre|utilisateurs?"
        r"|usager|administrateur|superviseur|gestionnaire|technicien|ingenieur|clavier|porte"
        r"|portail|coffre|sim|secret|confidentiel|operateur|manager|service|gardien"
        r"|de (?:mise (?:en|hors) service|mise a l'arret|desarmement|armement|deverrouillage"
        r"|securite|la porte|l'alarme|service|contrainte))"
        r"|(?:pin|puk|access|installer|engineer|master|users?|alarm|admin|manager|security"
        r"|keypad|door|entry|unlock|disarm(?:ing)?|arm(?:ing)?|duress|service) (?:codes?|pin)"
        r"|pin|digicode|combinaison(?: du coffre)?"),
    ),
    (
        IDENTIFIERS,
        (r"identifiants?|logins?|log-?in|credentials?|acces|connexion|comptes?|accounts?|access"
        r"|utilisateurs?|users?|user ?names?|admin(?:istrateur|istrator)?|root|sessions?|sign-?in"),
    ),
)  # fmt: skip
_QUALIFIER: Final = r"[\w.'’°#&+@-]+"
_WHAT: Final = tuple(
    (
        what,
        # Some words before in the one language, after in the other.
        re.compile(rf"(?:{_QUALIFIER} ){{0,3}}(?:{pattern})(?: {_QUALIFIER}){{0,6}}"),
        re.compile(rf"(?<![\w-])(?:{pattern})(?![\w-])"),
    )
    for what, pattern in _LABELS
)
_PAIR: Final = re.compile(
    r"(?:[\w'-]+ ){0,3}(?:identifiants?|id|logins?|utilisateurs?|users?|user ?names?|comptes?|noms?"
    r"|accounts?|nom d'utilisateur|admin)(?: et (?:le |du )?| and | ?[/|,+&:-] ?)"
    r"(?:mots? de passe|m\.?d\.?p\.?|pass[ -]?word|pass|pwd|code(?: secret| pin)?)"
    r"(?: [\w'/.-]+){0,4}"
)
"""« Identifiant / mot de passe »: the value is an account and its password."""

_BARE_PASS: Final = re.compile(r"pass")

_NO_LABEL: Final = re.compile(
    r"(?<![\w-])(?:oubli\w*|perdus?|perdues?|forgot\w*|lost|politiques?|policy|policies|regles?"
    r"|rules?|protection|proteg\w*|protect\w*|longueurs?|lengths?|complexites?|complexity"
    r"|expir\w*|durees?|durations?|strength|robust\w*|force|require[ds]?|requis\w*|chang\w*"
    r"|modifi\w*|reinitiali\w*|reset|recovery|recuperation|managers? de|gestion\w*|management"
    r"|minim\w*|maxim\w*|min|max|hints?|indices?|historique|history|rotation|renouvel\w*|stockage"
    r"|storage|confirm\w*|remis\w*|transmi\w*|communiqu\w*|exemples?|examples?|e\.g\.?|ex\.|par ex"
    r"|sample|nombre|number of|types?|formats?|delais?|tentatives?|attempts?|essais?|afficher"
    r"|show|masquer|saisi\w*|entre[rz]|enter|enabled?|authentication by|doit|doivent|must|shall"
    r"|should|est|sont|is|are|ne|vous|you|nous|we|pas de|aucun|sans|without|no|notre|bonnes?"
    r"|utilise\w*|using|uses?|crypt\w*|conserv\w*|coffre-fort|generat\w*|generer|definir|set|choos\w*"
    r"|choisi\w*|creer|create|demand\w*|ask\w*|prompt\w*|lors|when|pour|if|si|afin|to|can|peut"
    r"|avec|with|distribution|attribution|delivrance|verrouillage|blocage|lockout|fin|uniques?)(?![\w-])"
)
"""A cell with one of these speaks of passwords: it announces none."""

_CHOICES: Final = re.compile(r"\s\+\s|,|/.*/")
"""« Badge / code PIN / badge + code »: what a device can do."""

_DEFAULT: Final = re.compile(
    r"(?<![\w-])(?:par defaut|defauts?|d'usine|usine|defaults?|factory|constructeur"
    r"|premiere connexion|first login|out of the box)(?![\w-])"
)

_HEADERS: Final = re.compile(
    r"(?:(?:adresses?|noms?|type|n°|num(?:ero)?|no|ref|reference|date|etat|statut|liste|nombre|code)"
    r"(?: (?:de|du|des|d'|de l'|d'un))? ?)?"
    r"(?:adresses?(?: ip| mac)?|ip|ipv4|mac|ports?|urls?|sites?|equipements?|materiels?|appareils?"
    r"|modeles?|reperes?|ref(?:erence)?s?|noms?|prenoms?|roles?|profils?|droits?|niveaux?"
    r"|remarques?|observations?|commentaires?|dates?|statuts?|etats?|status|descriptions?|types?"
    r"|vlans?|masques?|passerelles?|serie|series?|firmware|versions?|emplacements?|localisations?"
    r"|locaux|local|usages?|services?|protocoles?|fonctions?|marques?|quantites?|qte|valeurs?"
    r"|values?|parametres?|parameters?|settings?|zones?|baies?|serveurs?|servers?|hosts?|hotes?"
    r"|devices?|items?|names?|rights?|levels?|remarks?|comments?|notes?|locations?|models?|serials?"
    r"|mask|gateway|dns|ssid|reseaux?|networks?|cameras?|switch(?:es)?|lecteurs?|portes?"
    r"|groupes?|groups?|applications?|logiciels?|software|interfaces?|liens?|acces|access"
    r"|n°|id|titres?|titulaires?|owners?|responsables?|badges?|zone|secteurs?|domaines?|domain"
    r"|utilisations?|objet|system(?:e)?s?|url|poste|postes|workstations?|tags?|host ?names?)"
    r"(?: (?:ip|mac|de serie|web|d'acces|reseau|d'utilisateur|utilisateur|rtsp|onvif|http|snmp"
    r"|number|address|n°|no|de l'equipement|equipement|site|admin))*"
)
"""What heads a column beside the secrets."""

# --- Values -----------------------------------------------------------------------------------

_EDGES: Final = "\"'“”«»‹›‘’`„()[]{}<>,;.:…|"
_MEASURE: Final = re.compile(
    r"[<>≥≤±~]?\d+(?:[.,x×/]\d+)*(?:v|vdc|vac|vcc|va|w|kw|kwh|a|ma|ah|mah|mm2?|mm²|cm|m|m2|km|um|µm|nm"
    r"|kg|g|hz|khz|mhz|ghz|°c|c|°|%|h|s|ms|min|j|jo|mo|go|to|ko|mb|gb|tb|kb|kbps|mbps|gbps|mpx?|px"
    r"|bits?|b|octets?|jours?|days?|mois|ans?|u|db|dbi|lux|ips|fps|i/s|ft|in|lbs|x|eme|er|re|p|ko/s"
    r"|bar|ip|awg|k|pts?|fois|th|nd|st|rd|heures?|hours?)",
    re.IGNORECASE,
)
_STANDARD: Final = re.compile(
    r"(?:en|iec|iso|nf|ul|fcc|ce|din|rj|rs|cat|cate?gorie|usb|hdmi|poe|ups|aes|sha|md|tls|ssl|wpa"
    r"|wep|des|3des|rsa|ecc|h|mp|ieee|eap|peap|ccmp|tkip|psk|ik|ip|onvif|http|https|rtsp|rtp|udp|tcp"
    r"|tcp/ip|snmp|smtp|ftp|sftp|ssh|ldap|radius|oauth|saml|sso|2fa|mfa|totp|otp|nfc|rfid|mifare"
    r"|desfire|wiegand|osdp|ev|lf|hf|uhf|vlan|ipv|dhcp|dns|ntp|lte|4g|5g|wi-?fi|bluetooth|ble|win"
    r"|windows|linux|android|ios|apsad|nfs|p|r|d|rfc|din|c|l|fips|cc|eal|iab|vms|nvr|cam|sw|srv|srv)"
    r"[-_./ ]?v?\d[\w.+:/-]{0,6}(?:[-/](?:psk|cbc|gcm|eap|sha\d*|hmac|ccmp|tkip|personal|enterprise))*"
    r"|wpa\d?(?:[-/]\w+)*|(?:aes|tkip|psk|ccmp)(?:[-/]\w+)*|\d?x?rj-?45|c\d{1,2}",
    re.IGNORECASE,
)
_DATED: Final = re.compile(
    r"\d{1,4}[/.-]\d{1,2}[/.-]\d{1,4}|\d{1,2}[:h]\d{2}(?::\d{2})?|(?:19|20)\d\d(?:[-/](?:19|20)?\d\d)?"
)
_ADDRESS: Final = re.compile(
    r"\d{1,3}(?:\.\d{1,3}){3}(?:[:/]\d+)?|(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}|[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
    r"|(?:https?|ftp|rtsp|ldaps?|www)[:.].*|(?:[\w-]+\.)+(?:com|fr|net|org|local|lan|eu|io|example)"
    r"(?:[:/].*)?|[/\\~].*|[a-z]:\\.*|\+?\d[\d.\s]{8,}",
    re.IGNORECASE,
)
_NUMBERED: Final = re.compile(
    r"v?\d+(?:\.\d+){1,4}[a-z]?|[a-z]?\d{1,3}|[ivx]+|n°\d+|\d+[a-z]?\)|p\.\d+|§[\d.]+"
    r"|\d+\s?[-–/à]\s?\d+",
    re.IGNORECASE,
)
_PROSE: Final = frozenset(
    """
    absent absente absents accepte conformes correct correcte incorrecte nok rejete teste testee inactive
    supporte supported integre individual shared changeable programmable
    a abc access acces accessible accord account action active activated actif activee ad admin/... after all
    allowed always annuaire annuel any apres attribue automatique automatic aucun aucune autorise available
    avant badge biometrie biometric bloque blocked box by call capital car card carte caractere caracteres
    case centralise ce certificate certificat ces cette chacun change changed changer changes chaque
    characters chiffre chiffres choisir cle client clients code codes common commun complexe complexes
    compris conforme configurable configure connect connexion connection contact controle coffre
    coffre-fort confidentiel confidentielle created cree creation d defaut default defined defini demande
    desactive described developpe digits digit different differents disponible document elle elles empty en
    end enabled encrypted enter entrer envoye equal erreur error et exige exigee expire expiration exploitant
    expires facultatif false fichier fields fixe for forgotten forte fort free from galement genere
    generated gere geree hash hashed hidden hors identique if illisible immediate inactif in incorrect
    indique individuel individuelle individuels initial initialise integrated interdit invalid invalide is
    ignore input interne it its keepass key known laisser le length lengths letters lettre lettres libre line local login
    longueur lost lowercase manager mandatory manquant mandat masque maximum mais min minimum mixed modifiable
    modifie modifier module mot mots must n name necessaire needed nominatif nominatifs nominative new
    next nom non-renseigne none not note nouveau nul null number numerique obligatoire obligatoires
    of ok once only open operator option optionnel optionnelle or oublie ou oui own page par partage passe
    password passwords pending per perdu permanent permanente personal personne personnel personnelle personnels phone
    pin please policy present previous prive procedure protege protected protection provisoire provided
    provisoires public/... pas quarterly qui quotidien reader recommande recommended refuse remis remise requis
    requise required reserve reset restricted robuste role s safe saisi saisie saisir saisissez same
    scelle sealed secured secure securise security select selection semestriel sent separe set setting
    show shown signature simple single site smartcard sms some sont sous special stocke stockee stored
    string strong submit sur system systeme telephone tel temporary temporaire that the these this to transmis
    transmise trimestriel true type unique uniques unknown up uppercase usage user users utilise utilisateur utilisateurs
    used valide valider validate value variable vault vierge verifie verrouille voir wait
    weak web when with without wrong your yes zone inchange inchangee existant standard annuelle mensuel mensuelle
    absent confirm confirmer connecter envoyer annuler cancel suivant next ok fermer close retour back
    afficher continuer continue apply appliquer enregistrer save delete supprimer login/... logout
    administrateur administrator operateur technicien superviseur installateur exploitation maintenance
    lecture ecriture read write full total complet complete limite limited consultation
    individuelles nominatives renseigner convenir definir completer fournir communiquer tbd tbc todo
    """.split()  # noqa: SIM905 - a list of words reads better as a text
)
"""Words that stand beside such labels and are no value of theirs."""

_POLICY: Final = re.compile(
    r"(?<![\w-])(?:caracteres?|characters?|chiffres?|digits?|lettres?|letters?|jours?|days?|mois|months?"
    r"|bits?|minimum|minimal|maximum|au moins|at least|majuscules?|minuscules?|uppercase|lowercase|symboles?"
    r"|symbols?|tentatives?|attempts?|essais|longueur|length|max|min|voir|cf|see|remis\w*|transmi\w*"
    r"|communiqu\w*|telephone|main propre|coffre-fort|enveloppe|vault|keepass|confidentiel\w*|selon|chapitre"
    r"|chapter|section|annexe|page|exemples?|examples?|e\.g|par ex|changed?|modifie\w*|renouvel\w*"
    r"|obligatoires?|hors (?:du )?(?:present )?(?:dossier|document)|support(?:ed|e)?s?|up to|jusqu'a"
    r"|alphanumeri\w*|utilis\w*|doit|doivent|must|should|shall|vous|you|your|votre)(?![\w-])"
)
_KNOWN_USERS: Final = re.compile(
    r"(?:admin\w*|root|user\d*|utilisateur|operat(?:eur|or)|install(?:er|ateur)|service|support|super\w*"
    r"|tech\w*|sysadmin|sa|pi|ubnt|cisco|manager|maint\w*|exploit\w*|mileo\w*|onvif|guest|invite)\d*",
    re.IGNORECASE,
)
_EXAMPLE: Final = re.compile(
    r"(?<![\w-])(?:exemples?|examples?|e\.g\.?|par ex\.?|sample|for instance|placeholder)(?![\w-])"
)
_PLACEHOLDER: Final = re.compile(
    r"(?:your|votre|my|mon|new|nouveau|old|ancien|user|the)?[_ -]?(?:pass(?:word|wd|phrase)?|pwd|mdp"
    r"|motdepasse|mot-de-passe|mot_de_passe|secret|key|cle|token|community|string|value|valeur|x+|y+"
    r"|n+)[_ -]?(?:here|ici|\d)?",
    re.IGNORECASE,
)
"""How a manual writes the place of a value."""

_FACTORY: Final = frozenset(
    """
    0000 00000 000000 00000000 1111 11111 111111 1212 1234 12345 123456 1234567 12345678 123456789
    1234567890 2222 4321 54321 654321 5678 6666 666666 7777 8888 88888888 888888 9999 9999999 999999
    abc123 abcd1234 admin admin00 admin1 admin12 admin123 admin1234 administrator admin_default alphaadmin
    anni2013 ascom axis baslerd2 camera changeme cisco default dvr enable fliradmin guest hikadmin
    hik12345 honeywell ikwd instar installer jvc letacla manager master meinsm monitor none operator
    pass pass1234 password password1 private public qwerty rassword root security server service smcadmin
    sony super supervisor support symbol system tech tlJwpbo6 topview ubnt user video wbox wbox123 xc3511
    """.split()  # noqa: SIM905
)
"""Passwords that manufacturers print in their manuals, the same for the whole world."""

_SYMBOLS: Final = frozenset("!@#$%^&*+=?~§€£µ_<>{}[]\\|;")
_SHORTEST: Final = 4
_LONGEST_NUMBER: Final = 9
"""Longer, it is the number of an article or of a telephone."""


class Label(NamedTuple):
    """What a cell announces: a kind of secret, perhaps an account before it, perhaps as the
    manufacturer set it."""

    what: str
    pair: bool = False
    default: bool = False


def plain(text: str) -> str:
    """In lower case, without accents, quotes or doubled spaces: as labels are compared."""
    text = unicodedata.normalize("NFKD", text.replace("’", "'").replace("‑", "-").casefold())
    text = "".join(c for c in text if unicodedata.category(c) != "Mn")
    return " ".join(text.split())


_BULLET: Final = re.compile(r"^(?:[•▪■◦●○►▶*+–—-]|\(?\d{1,2}(?:\.\d{1,2})*[.)]?|[a-z]\))\s+")
_TAIL: Final = re.compile(r"[\s.:=·•…_‧∙⋯>→⇒➔➜▶►*-]+$")
_BRACKETS: Final = re.compile(r"[()\[\]«»\"“”]")


@lru_cache(maxsize=4096)
def label_of(text: str) -> Label | None:
    """What the whole of this text announces; None for anything else."""
    if len(text) > 90:  # noqa: PLR2004 - a sentence
        return None
    said = _BRACKETS.sub(" ", _TAIL.sub("", _BULLET.sub("", plain(text))))
    said = " ".join(said.split())
    if not said or _NO_LABEL.search(said) or _CHOICES.search(said):
        return None
    default = _DEFAULT.search(said) is not None
    if _PAIR.fullmatch(said):
        return Label(PASSWORD, pair=True, default=default)
    if _BARE_PASS.fullmatch(said):
        return Label(PASSWORD)
    said = said.replace(" / ", " ").replace("/", " ")
    said = " ".join(said.replace(" - ", " ").replace(",", " ").split())
    for what, whole, _ in _WHAT:
        if whole.fullmatch(said):
            if what == IDENTIFIERS and (len(said.split()) > 4 or "/" in text):  # noqa: PLR2004
                return None
            return Label(what, pair=what == IDENTIFIERS, default=default)
    return None


def is_header(text: str) -> bool:
    """Whether this text heads a column, or announces a secret."""
    said = _TAIL.sub("", _BRACKETS.sub(" ", plain(text))).strip()
    said = " ".join(said.split())
    return bool(_HEADERS.fullmatch(said)) or label_of(text) is not None


_VAGUE: Final = re.compile(
    r"acces|access|connexion|connection|sessions?|sign-?in|authenti\w*|security|securite|types?|fonctions?"
)


def is_head_of_accounts(text: str) -> bool:
    """Whether this text heads a column of a table of accounts or equipment for sure, and is not
    itself the name of a feature."""
    return is_header(text) and not _VAGUE.fullmatch(_TAIL.sub("", plain(text)))


def is_example(text: str) -> bool:
    """Whether this line says of itself that it is an example."""
    return _EXAMPLE.search(plain(text)) is not None


def is_default(text: str) -> bool:
    """Whether this line speaks of what a manufacturer set."""
    return _DEFAULT.search(plain(text)) is not None


def is_factory(value: str) -> bool:
    """Whether a manufacturer prints this password in its manuals."""
    return value in _FACTORY or value.lower() in _FACTORY


def looks_secret(token: str) -> bool:
    """Whether this word looks like a password by itself: signs, digits and letters mixed, and no
    measure, date, address, standard or number of a part of the document."""
    core = token.strip(_EDGES)
    if len(core) < _SHORTEST or _is_ordinary(core):
        return False
    letters = any(c.isalpha() for c in core)
    digits = any(c.isdigit() for c in core)
    signs = any(c in _SYMBOLS for c in core)
    if digits and letters:
        return True
    if signs and (letters or digits):
        return not re.fullmatch(r"[^\W\d]+(?:[_/&+][^\W\d]+)+|[^\W\d]+\+", core)
    return letters and re.search(r"[a-zà-ÿ][A-ZÀ-Þ]", core) is not None and len(core) > 5  # noqa: PLR2004


def _is_ordinary(core: str) -> bool:
    return bool(
        _MEASURE.fullmatch(core)
        or _STANDARD.fullmatch(core)
        or _DATED.fullmatch(core)
        or _ADDRESS.fullmatch(core)
        or _NUMBERED.fullmatch(core)
        or _PLACEHOLDER.fullmatch(core)
        or stands_for_nothing(core)
    )


def may_be_value(token: str, what: str) -> bool:
    """Whether this word, alone beside a label of that kind, is its value."""
    core = token.strip(_EDGES)
    if what == PIN:
        return bool(re.fullmatch(r"[*#]?\d{4,12}[A-F*#]?", core))
    if len(core) < 3 or len(core) > 200 or plain(core) in _PROSE:  # noqa: PLR2004
        return False
    if what == PASSWORD and core.isdigit():
        return _SHORTEST <= len(core) <= _LONGEST_NUMBER and not stands_for_nothing(core)
    if what == TOKEN:
        return len(core) >= 8 and looks_secret(core)  # noqa: PLR2004
    if _is_ordinary(core):
        return False
    if core.isalpha() and core.isupper() and len(core) <= 5:  # noqa: PLR2004 - an acronym
        return False
    if re.fullmatch(r"[^\W\d_]{3,}ée?s?", core):
        return False  # « désactivée », « transmis » : what was done with it.
    return any(c.isalnum() for c in core)


def value_in(text: str, label: Label, *, alone: bool) -> tuple[int, int] | None:
    """Where the value of that label stands in the text of a cell, None when there is none.

    ``alone``: the cell stands where a value is expected, so that a plain word is one.
    """
    if label.pair and (found := account_in(text, sure=label.what == PASSWORD)):
        return found
    tokens = [(m.start(), m.end()) for m in re.finditer(r"\S+", text)]
    while tokens and not any(c.isalnum() for c in text[slice(*tokens[0])]):
        # An arrow, leaders or a colon of its own; what stands for a hidden value ends the search.
        if re.fullmatch(r"[*●•xX_]{3,}", text[slice(*tokens.pop(0))]):
            return None
    if not tokens or label.what == IDENTIFIERS or _POLICY.search(plain(text)):
        return None
    if quoted := re.match(r"\s*[\"“«]\s?([^\"”»]{4,60}?)\s?[\"”»]\s*$", text):
        good = " " in quoted[1] or may_be_value(quoted[1], label.what)
        return quoted.span(1) if alone and good else None
    if len(tokens) == 1 or _ends_value(text, tokens):
        first = text[slice(*tokens[0])]
        expected = label.what == PIN or (alone and (not label.pair or looks_secret(first)))
        good = may_be_value(first, label.what) if expected else looks_secret(first)
        return _core(text, tokens[0]) if good else None
    return _among(text, tokens, label)


def _among(text: str, tokens: list[tuple[int, int]], label: Label) -> tuple[int, int] | None:
    """The one word of a few that looks like the value; none in a sentence."""
    if label.what == PIN and (grouped := re.match(r"\s*\d{2,4}(?: \d{2,4}){1,2}\s*$", text)):
        return grouped.span()
    said = {plain(text[slice(*token)]) for token in tokens}
    if len(tokens) > _FEW or said & _TELLING:
        return None
    for token in tokens:
        word = text[slice(*token)]
        if may_be_value(word, PIN) if label.what == PIN else looks_secret(word):
            return _core(text, token)
    return None


_FEW: Final = 6
"""Words of a cell that is no sentence."""

_TELLING: Final = frozenset(
    ("le", "la", "les", "des", "est", "sont", "doit", "the", "is", "are", "must", "to", "of", "de",
     "du", "par", "by")
)  # fmt: skip


def _ends_value(text: str, tokens: list[tuple[int, int]]) -> bool:
    """Whether what follows the first word is a remark in brackets, or after a dash."""
    rest = text[tokens[0][1] :].strip()
    return bool(re.match(r"[(\[/,;–—|-]", rest)) or text[slice(*tokens[0])].endswith((",", ";"))


def _core(text: str, token: tuple[int, int]) -> tuple[int, int]:
    start, end = token
    while start < end - 1 and text[start] in "\"'“”«»‘’`([<":
        start += 1
    while end > start + 1 and text[end - 1] in "\"'“”«»‘’`)]>,;.":
        end -= 1
    return start, end


_ACCOUNT: Final = re.compile(
    r"(?<![\w/.@-])(?P<user>[\w.@+\\-]{2,40})\s?(?:/|\||:|→|->|=>| - | – )\s?(?P<v>[^\s/|\"“”«»]{3,80})"
)


def account_in(text: str, *, sure: bool = False) -> tuple[int, int] | None:
    """Where the password stands in « admin / … »; ``sure``: something said that it is one."""
    for match in _ACCOUNT.finditer(text):
        user, value = match["user"], match["v"]
        core = value.strip(_EDGES)
        known = _KNOWN_USERS.fullmatch(user) is not None
        good = looks_secret(core) and not _POLICY.search(plain(text))
        if good and (known or sure) and not _ADDRESS.fullmatch(f"{user}:{core}"):
            return _core(text, match.span("v"))
        if sure and known and core and plain(core) not in _PROSE and not _is_ordinary(core):
            return _core(text, match.span("v"))
        if sure and known and is_factory(core):
            return _core(text, match.span("v"))
    return None


_SEPARATOR: Final = r"\s*(?:(?:[.·•‧∙⋯_…‥–—-]\s?){3,}|=>|:=|-{1,3}>|[:=→⇒➔➜➞⟶▶►»>]|\s[–—-]\s|\bvaut\b|\bis\b|\best\b)\s*"
_INLINE: Final = re.compile(rf"(?P<label>[^:=→⇒➔➜➞⟶▶►]{{2,70}}?){_SEPARATOR}(?P<rest>\S.*)")


class Announced(NamedTuple):
    """A value within a text, and what announced it."""

    label: Label
    start: int
    end: int
    sentence: bool = False


def inline(text: str) -> Announced | None:
    """A label and its value in one cell: « MDP : … », « Code PIN ........ … », « le mot de passe
    est … », « admin / … »."""
    if is_example(text):
        return None
    for match in re.finditer(_SEPARATOR, text):
        before, rest = text[: match.start()], text[match.end() :]
        if not rest or not before.strip():
            continue
        says = re.search(r"\b(?:is|est|vaut)\b", match[0]) is not None
        words = before.split()
        for label in _nearest(words):
            found = value_in(rest, label, alone=not says and len(rest.split()) <= 3)  # noqa: PLR2004
            if found is None and not says and not label.pair:
                found = _first_of(rest, label)
            if found is not None:
                start = match.end() + found[0]
                return Announced(label, start, match.end() + found[1], sentence=says)
            break
    if (found := account_in(text)) is not None and len(text.split()) <= 12:  # noqa: PLR2004
        return Announced(Label(PASSWORD), *found)
    return _without_separator(text)


def _first_of(rest: str, label: Label) -> tuple[int, int] | None:
    """The first word after a colon, when it looks like a value whatever follows."""
    token = re.match(r"\s*(\S+)", rest)
    if token is None or _POLICY.search(plain(rest[:60])):
        return None
    good = may_be_value(token[1], PIN) if label.what == PIN else looks_secret(token[1])
    return _core(rest, token.span(1)) if good else None


def _nearest(words: list[str]) -> list[Label]:
    """The label that ends these words: the most words that still are one."""
    for size in range(min(len(words), 8), 0, -1):
        label = label_of(" ".join(words[-size:]))
        if label is not None:
            return [label]
    return []


def _without_separator(text: str) -> Announced | None:
    """« MDP Zephyr!2026 »: the last word looks like a secret, those before are its label."""
    tokens = [(m.start(), m.end()) for m in re.finditer(r"\S+", text)]
    if not 2 <= len(tokens) <= 8:  # noqa: PLR2004
        return None
    for place in range(1, len(tokens)):
        value = text[slice(*tokens[place])]
        label = label_of(text[: tokens[place - 1][1]])
        if label is None or label.what == IDENTIFIERS or label.pair:
            continue
        good = may_be_value(value, PIN) if label.what == PIN else looks_secret(value)
        ends = place == len(tokens) - 1 or text[tokens[place + 1][0]] in "(,;–—-"
        if good and ends and _is_strict(label, text[: tokens[place - 1][1]]):
            return Announced(label, *_core(text, tokens[place]))
    return None


def _is_strict(label: Label, before: str) -> bool:
    """Without a separator the words before must be the label and hardly more."""
    return label.what != PIN or len(before.split()) >= 2  # noqa: PLR2004
