"""The Docker engine, through its client: how it talks to a registry, and what it pushes."""

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

# An older client exits with 0 where it found no engine.
REGISTRIES = "{{if .ServerErrors}}{{json .ServerErrors}}{{else}}{{json .RegistryConfig}}{{end}}"


def is_insecure(host: str, config: Mapping[str, Any]) -> bool:
    """Whether an engine talks to a registry without a certificate (`insecure-registries`)."""
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
    """What the docker program talks to, on behalf of one place."""

    docker: str
    place: Place

    def is_insecure(self) -> bool:
        said = self._call("ask the engine for its registries", "info", "--format", REGISTRIES)
        config = json.loads(said) if said.strip() else []
        if not isinstance(config, dict):
            raise self.place.error("ask the engine for its registries", "\n".join(config), ENGINE)
        return is_insecure(self.place.host, config)

    def push(self, image: str, tag: str) -> None:
        """Send an image; on a terminal docker shows how far it is."""
        ref = self.place.ref(tag)
        self._call(f"tag {ref}", "tag", image, ref)
        if sys.stdout.isatty():
            self._call(f"push {ref}", "push", ref, shown=True)
        else:
            print(f"pushing        {ref}", flush=True)
            self._call(f"push {ref}", "push", "--quiet", ref)

    def _call(self, what: str, *arguments: str, shown: bool = False) -> str:
        """What docker printed, unless it was shown."""
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
