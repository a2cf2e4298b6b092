from __future__ import annotations

from textwrap import dedent

import pytest

from model_image.failures import (
    BASE,
    DISK,
    ENGINE,
    PERMISSION,
    EngineError,
    explain,
    last_lines,
    remedy,
)

REFUSED = "dial tcp 127.0.0.1:5000: connect: connection refused"
UNKNOWN_HOST = "dial tcp: lookup engine.example.com on 10.0.0.2:53: no such host"


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (
            # 20.10
            "Got permission denied while trying to connect to the Docker daemon socket at "
            "unix:///var/run/docker.sock: dial unix /var/run/docker.sock: connect: "
            "permission denied",
            PERMISSION,
        ),
        (
            # 28
            "permission denied while trying to connect to the Docker daemon socket at "
            "unix:///var/run/docker.sock: dial unix /var/run/docker.sock: connect: "
            "permission denied",
            PERMISSION,
        ),
        (
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. "
            "Is the docker daemon running?",
            ENGINE,
        ),
        (
            # Its host is the engine's, not a registry's.
            f'error during connect: Get "http://engine.example.com:2375/v1.50/": {UNKNOWN_HOST}',
            ENGINE,
        ),
        (
            # 29
            "failed to connect to the docker API at unix:///var/run/docker.sock; check if the path "
            "is correct and if the daemon is running: connect: no such file or directory",
            ENGINE,
        ),
        (
            "write /var/lib/docker/tmp/GetImageBlob123: no space left on device",
            DISK,
        ),
        (
            "Error response from daemon: Error processing tar file(exit status 1): "
            "write /opt/a.so: no space left on device",
            DISK,
        ),
        (
            'Error response from daemon: Get "https://registry-1.docker.io/v2/": '
            "dial tcp: lookup registry-1.docker.io on 10.0.0.2:53: no such host",
            BASE,
        ),
        (f'Error response from daemon: Get "http://127.0.0.1:5000/v2/": {REFUSED}', BASE),
        (
            "Error response from daemon: pull access denied for nothing, repository does not exist "
            "or may require 'docker login': denied: requested access to the resource is denied",
            BASE,
        ),
        (
            "Error response from daemon: manifest for python:3.99 not found: "
            "manifest unknown: manifest unknown",
            BASE,
        ),
        (
            # 28, by BuildKit
            "ERROR: failed to solve: python:3.99: failed to resolve source metadata for "
            "docker.io/library/python:3.99: docker.io/library/python:3.99: not found",
            BASE,
        ),
        (
            "toomanyrequests: You have reached your unauthenticated pull rate limit.",
            BASE,
        ),
        ("dockerfile parse error line 3: unknown instruction: ADDD", ""),
        ("", ""),
    ],
)
def test_a_known_message_has_a_remedy(output: str, expected: str) -> None:
    assert remedy(output) == expected


def test_an_error_says_what_failed_why_and_how_to_fix_it() -> None:
    output = (
        "Cannot connect to the Docker daemon at tcp://127.0.0.1:9. Is the docker daemon running?"
    )
    error = EngineError("look for models/iris:latest", f"[]\n{output}\n")
    assert (error.what, error.remedy) == ("look for models/iris:latest", ENGINE)
    assert str(error) == f"Could not look for models/iris:latest:\n[]\n{output}\n{ENGINE}"


def test_an_unknown_message_has_no_remedy() -> None:
    error = EngineError("build a:b", "dockerfile parse error line 3: unknown instruction: ADDD\n")
    assert str(error) == (
        "Could not build a:b:\ndockerfile parse error line 3: unknown instruction: ADDD"
    )


def test_a_missing_part_leaves_no_empty_line() -> None:
    assert explain("push a:b", "", "Try again.") == "Could not push a:b:\nTry again."


def test_without_output_the_message_has_only_the_action() -> None:
    assert str(EngineError("build a:b", "")) == "Could not build a:b:"


def test_the_last_lines_are_shown_without_noise() -> None:
    output = dedent(
        """\
        DEPRECATED: The legacy builder is deprecated and will be removed in a future release.
                    Install the buildx component to build images with BuildKit:
                    https://docs.docker.com/go/buildx/

        Step 1/3 : ARG BASE
        Step 2/3 : FROM ${BASE}
          base name (${BASE}) should not be blank
        """
    )
    assert last_lines(output, 2) == (
        "Step 2/3 : FROM ${BASE}\nbase name (${BASE}) should not be blank"
    )


def test_noise_is_shown_if_there_is_nothing_else() -> None:
    output = "DEPRECATED: The legacy builder is deprecated and will be removed in a future release."
    assert last_lines(output) == output
