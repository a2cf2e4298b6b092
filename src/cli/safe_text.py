r"""Mask secrets and escape control characters in text that somebody else wrote.

Errors (`cli.errors`) and output (`cli.terminal`) pass everything they print through `safe`.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote_plus

MASK = "**********"
# One word of a name, or the whole of it: DB_PASSWD, api-key, PGPASSWORD.
_SECRET_NAME = re.compile(
    r"""password|passwd|passphrase|passcode|secret|token(?!iz)|credential|signature
    |(private|api|access|account|signing|encryption|ssh)[_.-]?key
    |(^|[_.-])(pass|pwd|pw|pem|jwt|sas|sig|auth|authorization|bearer|cookie|pat)($|[_.-])
    |(^|[_.-])keys?$""",
    re.I | re.X,
)
# Only in a URL's query: elsewhere, `code` may be a country code.
_SECRET_PARAMETER = re.compile(r"pass|pwd|key|code|session|sig|auth", re.I)
_HARMLESS_PARAMETERS = {
    "charset",
    "connect_timeout",
    "driver",
    "format",
    "sslmode",
    "timeout",
    "version",
    "versionid",
}
_URI = re.compile(r"(?<![A-Za-z0-9+.-])(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):(?P<rest>/+\S*|\S+@\S*)")
_PARAMETER = re.compile(r"(?P<start>[?&;#])(?P<name>[^=&;#?\s]+)=(?P<value>[^&;#\s]*)")
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY")
DATABASES = {"postgresql", "postgres", "mysql", "mariadb", "sqlite", "oracle", "mssql"}
# A database user or an Azure container is not a secret. In other URLs, the part before the `@` may
# be a token.
_WITH_USER = {*DATABASES, "abfs", "abfss"}
_SHOWN_CONTROLS = {"\n", "\t"}
# These reverse the direction of text: `txt.exe` looks like `exe.txt`.
_DIRECTIONS = {
    *map(chr, range(0x202A, 0x202F)),
    *map(chr, range(0x2066, 0x206A)),
    "\u200e",
    "\u200f",
    "\u061c",
}


def safe(text: str) -> str:
    """The text with the secrets of URIs masked and control characters escaped."""
    return escaped(masked(text))


def escaped(text: str, *, kept: frozenset[str] | set[str] = _SHOWN_CONTROLS) -> str:
    r"""The text with an escape such as `\x1b` for each character that a terminal would interpret.

    Bytes of a file name that are not UTF-8 are escaped too, as `\udcff`: they cannot be printed.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(one) if _is_control(one) and one not in kept else one for one in text)


def on_one_line(text: str) -> str:
    r"""As `safe`, but also with line breaks escaped: for a table cell, or a name within a line."""
    return escaped(masked(text), kept=frozenset())


def masked(text: str) -> str:
    """The text with the credentials of its URIs masked."""
    return _URI.sub(_masked_uri, text) if ":" in text else text


def is_secret_name(name: str) -> bool:
    """Whether a variable of that name holds a secret: DB_PASSWD, PRIVATE_KEY_PEM."""
    return bool(_SECRET_NAME.search(name))


def holds_secret(text: str) -> bool:
    """Whether a text contains a URI with credentials, or a private key."""
    return bool(_PRIVATE_KEY.search(text)) or any(
        has_credentials(found[0]) for found in _URI.finditer(text)
    )


def has_credentials(uri: str) -> bool:
    """Whether a URI contains a password or a token, however many slashes it begins with."""
    scheme, colon, rest = uri.partition(":")
    if not colon or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme):
        return False
    return _has_userinfo(scheme, rest) or any(
        is_secret_name(name) or _SECRET_PARAMETER.search(name)
        for text in (rest, unquote_plus(rest))
        for _, name, _ in _PARAMETER.findall(text)
    )


def _has_userinfo(scheme: str, rest: str) -> bool:
    slashes = len(rest) - len(rest.lstrip("/"))
    rest = rest[slashes:]
    # A password may contain a slash, which would end the authority.
    if ":" in rest.rpartition("@")[0]:
        return True
    is_token = slashes >= 2 and scheme.lower().partition("+")[0] not in _WITH_USER
    return is_token and "@" in re.split(r"[/?#]", rest, maxsplit=1)[0]


def _masked_uri(found: re.Match[str]) -> str:
    scheme, rest = found["scheme"], found["rest"]
    if _has_userinfo(scheme, rest):
        slashes = rest[: len(rest) - len(rest.lstrip("/"))]
        rest = f"{slashes}{MASK}@{rest.rpartition('@')[2]}"
    return f"{scheme}:{_PARAMETER.sub(_masked_parameter, rest)}"


def _masked_parameter(found: re.Match[str]) -> str:
    if found["name"].lower() in _HARMLESS_PARAMETERS:
        return found[0]
    return f"{found['start']}{found['name']}={MASK}"


def _is_control(one: str) -> bool:
    return unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp") or one in _DIRECTIONS


def _escape(one: str) -> str:
    return one.encode("unicode_escape").decode()
