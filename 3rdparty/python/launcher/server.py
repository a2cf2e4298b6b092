"""Start Pants without the scheduler that installs plugins, unless there are plugins to install.

Pants builds two rule graphs at each start: one to install `[GLOBAL].plugins` from a package index,
even if that list is empty, and one to run goals. The first takes a third of the start's processor
time. Backends in the repository (`pythonpath`) are not on that list.

`server` runs this, on the Python that Pants is installed in.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from pants.init import options_initializer
from pants.init.bootstrap_scheduler import BootstrapScheduler
from pants.init.plugin_resolver import PluginResolver, PluginsRequest, ResolvedPluginDistributions
from pants.option.options_bootstrapper import OptionsBootstrapper


class SchedulerOnDemand:
    """Creates the scheduler only if it is used."""

    def __init__(self, make: Callable[[], BootstrapScheduler]) -> None:
        self._make = make
        self._made: BootstrapScheduler | None = None

    @property
    def scheduler(self) -> object:
        if self._made is None:
            self._made = self._make()
        return self._made.scheduler


class LazyPluginResolver(PluginResolver):
    def _resolve_plugins(
        self, options_bootstrapper: OptionsBootstrapper, env: object, request: PluginsRequest
    ) -> ResolvedPluginDistributions:
        if not options_bootstrapper.bootstrap_options.for_global_scope().plugins:
            return ResolvedPluginDistributions()
        return super()._resolve_plugins(options_bootstrapper, env, request)


def make_lazy() -> None:
    make = options_initializer.create_bootstrap_scheduler
    options_initializer.create_bootstrap_scheduler = lambda options, executor: SchedulerOnDemand(
        lambda: make(options, executor)
    )
    options_initializer.PluginResolver = LazyPluginResolver


if __name__ == "__main__":
    from pants.bin.pants_loader import main

    make_lazy()
    sys.exit(main())
