"""What tests need of the machine, and `.ci/run install_servers` installs.

What no command can install (another user, a file system, an index of packages) is a plain
`pytest.skip` if it is missing.
"""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

# The plugin `skipped_tests` reads the command from the end of a reason.
INSTALL = " Install it: .ci/run install_servers"
# What a person calls it, and Debian's package.
PACKAGES = {
    "Chromium": "chromium",
    "Docker": "docker.io",
    "docker-registry": "docker-registry",
    "htpasswd": "apache2-utils",  # pragma: allowlist secret
    "mmdebstrap": "mmdebstrap",
    "PostgreSQL": "postgresql",
    "redis-server": "redis-server",
    "rsync": "rsync",
}


def fail_missing(program: str) -> NoReturn:
    """Skip a test for which something of `PACKAGES` is not installed; in CI, fail it."""
    message = f"{program} is not installed (package {PACKAGES[program]}).{INSTALL}"
    if os.environ.get("CI") == "true":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def need_program(program: str, *names: str) -> str:
    """The path of the first of `names` (default: `program`) that is installed; else fail."""
    for name in names or (program,):
        if path := shutil.which(name):
            return path
    fail_missing(program)
