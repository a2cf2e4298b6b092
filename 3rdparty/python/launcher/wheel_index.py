"""Download one pure wheel by pip's settings, on a Python without pip, such as Debian's.

Uses only the standard library of CPython 3.8 or newer. Reads indexes, folders, the proxy and certificates
from pip's configuration files and variables. User and password are in the address or in ~/.netrc.
"""

from __future__ import annotations

import base64
import configparser
import netrc
import os
import re
import ssl
import sys
import urllib.request
from html.parser import HTMLParser
from pathlib import Path
from typing import Dict, Iterator, List, Optional
from urllib.parse import unquote, urljoin, urlsplit

# pip's own default.
INDEX = "https://pypi.org/simple"
TIMEOUT = 60.0


def configuration_files() -> Iterator[Path]:
    """pip's configuration files, from the lowest to the highest priority."""
    named = os.environ.get("PIP_CONFIG_FILE", "")
    if named == os.devnull:
        return
    for folder in os.environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":"):
        yield Path(folder) / "pip/pip.conf"
    yield Path("/etc/pip.conf")
    home = Path(os.path.expanduser("~"))
    if not os.path.exists(named):
        yield home / ".pip/pip.conf"
        yield Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip/pip.conf"
        if sys.platform == "darwin":
            yield home / "Library/Application Support/pip/pip.conf"
    yield Path(sys.prefix) / "pip.conf"
    if named:
        yield Path(named)


def settings() -> Dict[str, str]:
    """The settings of `pip download` from its files and variables; as in pip, empty values are ignored."""
    found = {}
    for file in configuration_files():
        parser = configparser.RawConfigParser()
        parser.read(file, encoding="utf-8")
        for section in ("global", "download"):
            if parser.has_section(section):
                found.update({key: value for key, value in parser.items(section) if value})
    for variable, value in os.environ.items():
        if variable.startswith("PIP_") and value:
            found[variable[len("PIP_") :].lower()] = value
    return {key.replace("_", "-"): value for key, value in found.items()}


class Links(HTMLParser):
    """The addresses of the links on a page of an index."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: List[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: List) -> None:
        self.found += [value for name, value in attrs if (tag, name) == ("a", "href") and value]


class Client:
    """Opens addresses with pip's proxy, certificates and passwords."""

    def __init__(self, settings: Dict[str, str], addresses: List[str]) -> None:
        handlers: List[urllib.request.BaseHandler] = [
            urllib.request.HTTPSHandler(context=_context(settings, addresses))
        ]
        if "proxy" in settings:
            proxy = settings["proxy"]
            handlers.append(urllib.request.ProxyHandler({"http": proxy, "https": proxy}))
        self._opener = urllib.request.build_opener(*handlers)
        self._passwords = {
            urlsplit(one).netloc.rpartition("@")[2]: urlsplit(one).netloc.rpartition("@")[0]
            for one in addresses
        }

    def read(self, address: str) -> bytes:
        parts = urlsplit(address)
        host = parts.netloc.rpartition("@")[2]
        request = urllib.request.Request(parts._replace(netloc=host).geturl())
        login = unquote(self._passwords.get(host, "")) or _login_of_netrc(parts.hostname or "")
        if login:
            encoded = base64.b64encode(login.encode()).decode()
            # Not sent to other hosts after a redirect.
            request.add_unredirected_header("Authorization", f"Basic {encoded}")
        with self._opener.open(request, timeout=TIMEOUT) as response:
            return response.read()


def _context(settings: Dict[str, str], addresses: List[str]) -> ssl.SSLContext:
    file = settings.get("cert") or os.environ.get("REQUESTS_CA_BUNDLE") or None
    folder = bool(file) and os.path.isdir(str(file))
    context = ssl.create_default_context(
        cafile=None if folder else file, capath=file if folder else None
    )
    if "client-cert" in settings:
        context.load_cert_chain(settings["client-cert"])
    # The hash of the download is always checked.
    trusted = settings.get("trusted-host", "").split()
    if any({urlsplit(one).hostname, urlsplit(one).netloc} & set(trusted) for one in addresses):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _login_of_netrc(host: str) -> str:
    try:
        found = netrc.netrc().authenticators(host)
    except (OSError, netrc.NetrcParseError):
        return ""
    return f"{found[0]}:{found[2]}" if found else ""


def _as_address(place: str) -> str:
    return place if re.match(r"\w+://", place) else Path(place).expanduser().resolve().as_uri()


def fetch(filename: str) -> bytes:
    """Download a file. The caller has to check its hash.

    Raises:
        LookupError: No index or folder has it. The message lists them with the reasons.
    """
    given = settings()
    project = filename.partition("-")[0]
    pages = [_as_address(place) for place in given.get("find-links", "").split()]
    if given.get("no-index", "").lower() not in ("1", "y", "yes", "t", "true", "on"):
        indexes = [given.get("index-url") or INDEX, *given.get("extra-index-url", "").split()]
        pages += [f"{index.rstrip('/')}/{project}/" for index in indexes]
    refusals = []
    client = Client(given, pages)
    for page in pages:
        try:
            link = _link(client, page, filename)
            if link:
                return client.read(link)
            refusals.append(f"{_shown(page)} does not have it")
        except (OSError, ValueError) as error:
            refusals.append(f"{_shown(page)}: {error}")
    raise LookupError("\n".join(refusals) or "pip's settings name no index (no-index)")


def _link(client: Client, page: str, filename: str) -> Optional[str]:
    local = Path(unquote(urlsplit(page).path)) if page.startswith("file:") else None
    if local and local.is_dir():
        if (local / filename).exists():
            return (local / filename).as_uri()
        page = f"{page.rstrip('/')}/index.html"
        if not (local / "index.html").exists():
            return None
    for link in Links(client.read(page).decode("utf-8", "replace")).found:
        if unquote(urlsplit(link).path).rpartition("/")[2] == filename:
            return urljoin(page, link)
    return None


def _shown(page: str) -> str:
    """The address without user and password."""
    parts = urlsplit(page)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
