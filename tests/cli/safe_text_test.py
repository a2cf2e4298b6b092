"""Text that somebody else wrote is printed without secrets of URIs and control characters."""

from __future__ import annotations

import json
import string
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.errors import UserError
from cli.safe_text import (
    escaped,
    has_credentials,
    holds_secret,
    is_secret_name,
    masked,
    on_one_line,
    safe,
)

PLANTED = "geheim4711"
SCHEMES = ("https", "http", "postgresql", "postgresql+psycopg", "mysql", "s3", "models", "tcp")
# A URI ends at white space; whoever has more than that in a password has to encode it.
PRINTABLE = st.text(string.ascii_letters + string.digits + string.punctuation, max_size=8)
# In a query, & and # end a value, and a parameter's name has none of these.
VALUES = st.text(string.ascii_letters + string.digits + "%+/:;=!*'(),$_~.-", max_size=8).map(
    lambda text: text.replace(";", "")
)
NAMES = st.sampled_from(["sas", "code", "auth", "sig", "token", "x", "p%61ssword", "AccessKeyId"])


@st.composite
def uris(draw: st.DrawFn) -> str:
    """URIs with the planted secret as a password, as a token or in the query."""
    scheme = draw(st.sampled_from(SCHEMES))
    slashes = "/" * draw(st.integers(1, 4))
    kind = draw(st.sampled_from(["password", "token", "query", "fragment"]))
    if kind == "password":
        return (
            f"{scheme}:{slashes}{draw(VALUES)}:{draw(PRINTABLE)}{PLANTED}{draw(PRINTABLE)}@host/db"
        )
    if kind == "token":
        return f"https://{PLANTED}{draw(VALUES).replace('/', '')}@host/path"
    mark = "?" if kind == "query" else "#"
    before = draw(st.sampled_from(["", "a=b&", "sslmode=require&"]))
    return f"{scheme}:{slashes}host/a/b{mark}{before}{draw(NAMES)}={draw(VALUES)}{PLANTED}&c=d"


@given(uris(), st.sampled_from(["{}", "at {}: no answer", "got {{'a': '{}'}}", '["{}"]', "x={}\n"]))
def test_no_uri_shows_its_secret_wherever_it_is_in_a_text(uri: str, around: str) -> None:
    text = around.format(uri)
    for shown in (masked(text), safe(text), on_one_line(text), str(UserError(text))):
        assert PLANTED not in shown
    assert PLANTED not in masked(json.dumps({"tables": [text]}))
    assert PLANTED not in masked(repr({"company": text}))


@given(uris())
def test_masking_twice_changes_nothing_more(uri: str) -> None:
    assert masked(masked(uri)) == masked(uri)


@given(st.text())
def test_no_control_character_is_left(text: str) -> None:
    shown = on_one_line(text)
    assert not [one for one in shown if unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp")]
    assert escaped(shown) == shown
    shown.encode()


@pytest.mark.parametrize(
    "plain",
    [
        "https://example.com/docs/page.html#heading",
        "postgresql+psycopg://reader@host/database#features.company",
        "s3://bucket/day=2026-01-01/part.parquet",
        "models:/iris@champion",
        "sqlite:////home/me/.mlflow/mlflow.db",
        "host:5000/team/iris@sha256:0123456789abcdef",
        "flowers.csv: column 'a' has missing values in 2 rows (17, 203). Write to me@example.com.",
        "postgresql://host/db?sslmode=require",
    ],
)
def test_what_holds_no_secret_is_shown_as_it_is(plain: str) -> None:
    assert safe(plain) == plain
    assert not holds_secret(plain)


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("postgresql+psycopg:/me:geheim@host/db", "postgresql+psycopg:/**********@host/db"),
        ("mysql:me:geheim@host/db", "mysql:**********@host/db"),
        ("https://me:ge/he@im@host/x", "https://**********@host/x"),
        ("https://host/a.csv?sas=geheim&b=1", "https://host/a.csv?sas=**********&b=**********"),
        ("jdbc:sqlserver://host;password=geheim", "jdbc:sqlserver://host;password=**********"),
    ],
)
def test_credentials_are_found_and_masked(uri: str, shown: str) -> None:
    assert masked(uri) == shown
    assert has_credentials(uri)
    assert holds_secret(f"a place: {uri}")


@pytest.mark.parametrize(
    "name",
    ["DB_PASSWD", "DB_PWD", "PASSPHRASE", "PRIVATE_KEY_PEM", "API_KEY", "PGPASSWORD", "X_TOKEN"],
)
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["COUNTRY_CODE", "PASSENGERS", "KEYBOARD", "TOKENIZERS_PARALLELISM", "AUTHORS", "PATH"]
)
def test_names_of_no_secrets(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mred", "a\\x1b[31mred"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("csv.\u202eexe", "csv.\\u202eexe"),
        ("bell\x07, \x9b and \x7f", "bell\\x07, \\x9b and \\x7f"),
        ("\udcff.csv", "\\udcff.csv"),
        ("Grüße 🙂 [/red]", "Grüße 🙂 [/red]"),
    ],
)
def test_what_a_terminal_would_act_on_is_an_escape(text: str, shown: str) -> None:
    assert escaped(text) == shown
