"""The Docker engine, called through its client: how it connects to a registry, and pushes."""

from __future__ import annotations

import ipaddress
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from model_image.failures import ENGINE
from model_image.publishing.place import Place

# Older clients exit with 0 if they find no engine.
REGISTRIES = "{{if .ServerErrors}}{{json .ServerErrors}}{{else}}{{json .RegistryConfig}}{{end}}"


def is_insecure(host: str, config: Mapping[str, Any]) -> bool:
    """Whether the engine's `insecure-registries` contain a registry."""
    index = (config.get("IndexConfigs") or {}).get(host)
    if index is not None:
        return not index.get("Secure", True)
    name = host.rpartition(":")[0] or host
    try:
        address = ipaddress.ip_address("127.0.0.1" if name == "localhost" else name.strip("[]"))
    except ValueError:
        return False
    networks = config.get("InsecureRegistryCIDRs") or ()
    return any(address in ipaddress.ip_network(network) for network in networks)


@dataclass(frozen=True)
class Engine:
    """The engine of a docker program, used for one repository."""

    docker: str
    place: Place

    def is_insecure(self) -> bool:
        what = "read the engine's registry settings"
        output = self._call(what, "info", "--format", REGISTRIES)
        config = json.loads(output) if output.strip() else []
        if not isinstance(config, dict):
            raise self.place.error(what, "\n".join(config), ENGINE)
        return is_insecure(self.place.host, config)

    def push(self, image: str, tag: str) -> None:
        """Push an image. On a terminal, docker shows its progress."""
        ref = self.place.ref(tag)
        self._call(f"tag {ref}", "tag", image, ref)
        if sys.stdout.isatty():
            self._call(f"push {ref}", "push", ref, shown=True)
        else:
            print(f"pushing        {ref}", flush=True)
            self._call(f"push {ref}", "push", "--quiet", ref)

    def _call(self, what: str, *arguments: str, shown: bool = False) -> str:
        """Return docker's output, or "" if it was shown."""
        try:
            done = subprocess.run(
                [self.docker, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=None if shown else subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        except OSError as error:
            raise self.place.error(what, f"{self.docker}: {error.strerror}", ENGINE) from error
        if done.returncode:
            raise self.place.error(what, done.stderr or done.stdout or "")
        return done.stdout or ""
