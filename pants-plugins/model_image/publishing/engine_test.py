from __future__ import annotations

import pytest

from model_image.publishing.engine import is_insecure

# The output of an engine started with `--insecure-registry=registry.example.com:5000` and
# `--insecure-registry=10.1.0.0/16`.
CONFIG = {
    "IndexConfigs": {
        "docker.io": {"Name": "docker.io", "Mirrors": [], "Secure": True, "Official": True},
        "registry.example.com:5000": {"Mirrors": [], "Secure": False, "Official": False},
    },
    "InsecureRegistryCIDRs": ["10.1.0.0/16", "127.0.0.0/8", "::1/128"],
    "Mirrors": None,
}


@pytest.mark.parametrize(
    ("host", "insecure"),
    [
        ("registry.example.com:5000", True),
        ("registry.example.com", False),
        ("docker.io", False),
        ("127.0.0.1:5000", True),
        ("127.0.0.1", True),
        ("localhost:5000", True),
        ("10.1.2.3:5000", True),
        ("10.2.2.3:5000", False),
        ("[::1]:5000", True),
    ],
)
def test_an_engine_lists_its_insecure_registries(host: str, insecure: bool) -> None:
    assert is_insecure(host, CONFIG) is insecure


def test_an_engine_may_have_no_insecure_registries() -> None:
    nothing = {"IndexConfigs": None, "InsecureRegistryCIDRs": None}
    assert is_insecure("127.0.0.1:5000", nothing) is False
