"""Measure Pants with 1, 10, 50, 281 and 1000 models, and plain pytest in one environment.

    python3 benchmarks/scale/measure.py
    python3 benchmarks/scale/measure.py --models 1 10 50 281 --rounds 3
    python3 benchmarks/scale/measure.py --models 1000 --only list dependencies change

Works in clones of the last commit, below --folder, and never in this repository. Each figure is
written to --results at once. To continue an interrupted measurement, run the same command again.
`report.py` creates tables and pictures. For each command there are seconds and processor seconds,
including those of the daemon and its children. Use the latter if the machine has other work.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from interpreter import python as interpreter
from scale.generate import generate
from scale.shapes import Shape

ROOT = Path(__file__).resolve().parents[2]
MODELS = (1, 10, 50, 281, 1000)
GROUPS = ("list", "dependencies", "change", "job", "one", "everything", "peer")
CHANGED = ("--changed-since=HEAD", "--changed-dependents=transitive")
# The changed files, by their dependents: one model, half of the models, all, users of a package.
TOUCHED = {
    "leaf": f"src/models/{Shape(0).name}/features.py",
    "shared feature": "src/feature_store/derived_features/row_features.py",
    "base config": "src/config/settings.py",
    "requirement": "3rdparty/python/closures/default/feature-engine.txt",
}
LEAF = TOUCHED["leaf"]
# A package has about 150 MB. With more models than this, only some are packaged.
PACKAGED = 50
# The changes to measure in a CI job, including Pants' start: the smallest and the largest.
TOUCHED_IN_JOB = ("leaf", "base config")
TICKS = os.sysconf("SC_CLK_TCK")


class Results:
    """Figures by number of models and name, in a file that is written atomically."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.figures: dict[str, dict[str, dict[str, float]]] = {}
        self.machine: dict[str, object] = {}
        if file.exists():
            known = json.loads(file.read_text())
            self.figures, self.machine = known["figures"], known["machine"]

    def has(self, models: int, name: str) -> bool:
        return name in self.figures.get(str(models), {})

    def add(self, models: int, name: str, figure: dict[str, float]) -> None:
        self.figures.setdefault(str(models), {})[name] = figure
        shown = ", ".join(f"{key} {value:,.2f}" for key, value in figure.items())
        print(f"{models:5} models  {name:34} {shown}", file=sys.stderr, flush=True)
        beside = self.file.with_suffix(".new")
        self.file.parent.mkdir(parents=True, exist_ok=True)
        content = {"machine": self.machine, "figures": self.figures}
        beside.write_text(json.dumps(content, indent=2) + "\n")
        beside.replace(self.file)


class CommandFailedError(Exception):
    """A timed command failed."""


def run(*command: object, cwd: Path, env: dict[str, str] | None = None) -> str:
    words = [str(word) for word in command]
    done = subprocess.run(
        words, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode:
        raise CommandFailedError(
            f"{' '.join(words)}\nin {cwd} ended with {done.returncode}:\n{done.stderr[-3000:]}"
        )
    return done.stdout


def children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure_time(
    work: Callable[[], object], cpu: Callable[[], float] = children_cpu
) -> dict[str, float]:
    start, cpu_start = time.perf_counter(), cpu()
    work()
    return {"seconds": time.perf_counter() - start, "cpu": cpu() - cpu_start}


class Repository:
    """A clone with generated models, and its calls of Pants."""

    def __init__(self, root: Path, store: Path, *, daemon: bool, ci: bool = False) -> None:
        self.root = root
        self.store = store
        self.env = {
            **os.environ,
            "PANTS_LOCAL_STORE_DIR": str(store),
            "PANTS_PANTSD": str(daemon).lower(),
            "PANTS_DYNAMIC_UI": "false",
            "PANTS_LEVEL": "warn",
        }
        if ci:
            self.env["PANTS_CONFIG_FILES"] = "pants.ci.toml"
        self.edits = 0

    def pants(self, *arguments: str) -> str:
        return run("./pants", *arguments, cwd=self.root, env=self.env)

    def daemon(self) -> int | None:
        """The process id of this clone's daemon, if it runs."""
        for file in self.root.glob(".pids/*/pantsd/pid"):
            pid = int(file.read_text())
            if Path(f"/proc/{pid}").exists():
                return pid
        return None

    def stop(self) -> None:
        pid = self.daemon()
        if pid is not None:
            os.kill(pid, 15)
            while Path(f"/proc/{pid}").exists():
                time.sleep(0.1)

    def cpu(self) -> float:
        """Processor seconds so far of all commands, the daemon and its children."""
        pid = self.daemon()
        of_daemon = 0
        if pid is not None:
            stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            of_daemon = sum(map(int, stat[11:15]))
        return children_cpu() + of_daemon / TICKS

    def memory(self) -> float:
        """The daemon's memory in megabytes."""
        lines = Path(f"/proc/{self.daemon()}/status").read_text().splitlines()
        (resident,) = [line.split()[1] for line in lines if line.startswith("VmRSS:")]
        return int(resident) * 1024 / 1e6

    def time(self, *arguments: str) -> dict[str, float]:
        return measure_time(lambda: self.pants(*arguments), self.cpu)

    @contextmanager
    def edit(self, file: str) -> Iterator[None]:
        """Append a line, a different one each time, and remove it at the end."""
        path = self.root / file
        before = path.read_text()
        self.edits += 1
        path.write_text(f"{before}# Edit {self.edits} at {time.time_ns()}.\n")
        # The daemon is notified by the file system.
        time.sleep(0.5)
        try:
            yield
        finally:
            path.write_text(before)
            time.sleep(0.5)


def median(rounds: int, measure: Callable[[], dict[str, float]]) -> dict[str, float]:
    every = [measure() for _ in range(rounds)]
    return {key: statistics.median(one[key] for one in every) for key in every[0]}


def commit(root: Path, message: str) -> None:
    git = ("git", "-c", "user.name=Benchmark", "-c", "user.email=benchmark@example.com")
    run(*git, "add", "--all", cwd=root)
    run(*git, "commit", "--quiet", "--allow-empty", "--no-verify", f"--message={message}", cwd=root)


def new_clone(root: Path, models: int) -> None:
    """Clone HEAD, and commit generated models."""
    shutil.rmtree(root, ignore_errors=True)
    run("git", "clone", "--quiet", ROOT, root, cwd=ROOT)
    generate(root, 0, models)
    commit(root, f"{models} models")


def folder_megabytes(folder: Path) -> float:
    return sum(file.lstat().st_blocks * 512 for file in folder.rglob("*")) / 1e6


class Scale:
    """All figures for one number of models."""

    def __init__(self, models: int, folder: Path, results: Results, rounds: int) -> None:
        self.models = models
        self.folder = folder / str(models)
        self.results = results
        self.rounds = rounds
        self.store = self.folder / "store"
        self.warm = Repository(self.folder / "repository", self.store, daemon=True)
        if not self.warm.root.exists():
            new_clone(self.warm.root, models)

    def figure(self, name: str, measure: Callable[[], dict[str, float]]) -> None:
        if not self.results.has(self.models, name):
            self.results.add(self.models, name, measure())

    def first(self, *arguments: str) -> dict[str, float]:
        """Measure a command without a daemon and with an empty store."""
        store = self.folder / "empty"
        shutil.rmtree(store, ignore_errors=True)
        return Repository(self.warm.root, store, daemon=False).time(*arguments)

    def goal(self, name: str, *arguments: str) -> None:
        """Measure a goal on all targets, with an empty store and warm."""
        self.figure(f"{name}, cold", lambda: self.first(*arguments))
        self.warm.pants(*arguments)
        self.figure(
            f"{name}, warm", lambda: median(self.rounds, lambda: self.warm.time(*arguments))
        )

    def list(self) -> None:
        self.goal("list", "list", "::")

    def dependencies(self) -> None:
        self.goal("dependencies", "dependencies", "--transitive", "::")

    def change(self) -> None:
        """Measure change detection with a warm daemon."""
        self.warm.pants("dependencies", "--transitive", "::")
        for what, file in TOUCHED.items():

            def edit_and_list(file: str = file) -> dict[str, float]:
                with self.warm.edit(file):
                    figure = self.warm.time(*CHANGED, "list")
                    return {**figure, "targets": len(self.warm.pants(*CHANGED, "list").split())}

            self.figure(f"change of {what}, warm", lambda: median(self.rounds, edit_and_list))

    def job(self) -> None:
        """Measure change detection in a CI job: a new clone, a restored store, no daemon."""
        self.warm.pants("dependencies", "--transitive", "::")
        for what in TOUCHED_IN_JOB:

            def clone_and_list(file: str = TOUCHED[what]) -> dict[str, float]:
                root = self.folder / "job"
                shutil.rmtree(root, ignore_errors=True)
                run("git", "clone", "--quiet", self.warm.root, root, cwd=self.folder)
                job = Repository(root, self.store, daemon=False, ci=True)
                with job.edit(file):
                    return job.time(*CHANGED, "list")

            self.figure(f"change of {what}, CI job", lambda: median(self.rounds, clone_and_list))
        self.figure(
            "start of Pants, CI job",
            lambda: median(
                self.rounds,
                lambda: Repository(self.warm.root, self.store, daemon=False).time("--version"),
            ),
        )

    def one(self) -> None:
        """Measure test and package of one model after an edit, everything else being cached."""
        package, tests = f"src/models/{Shape(0).name}:predict", f"tests/models/{Shape(0).name}::"
        with self.warm.edit(LEAF):
            self.warm.pants(*CHANGED, "test")
            self.warm.pants("package", package)

        def edit(*arguments: str) -> dict[str, float]:
            with self.warm.edit(LEAF):
                return self.warm.time(*arguments)

        self.figure("test of one model", lambda: median(self.rounds, lambda: edit("test", tests)))
        # Also runs the tests of what depends on the model: the documentation.
        self.figure(
            "all tests of one model's change",
            lambda: median(self.rounds, lambda: edit(*CHANGED, "test")),
        )
        self.figure(
            "package of one model", lambda: median(self.rounds, lambda: edit("package", package))
        )
        self.figure("memory of the daemon", lambda: {"megabytes": self.warm.memory()})

    def everything(self) -> None:
        """Measure tests and packages of all models after an edit of a shared module."""
        names = [Shape(number).name for number in range(self.models)]
        tests = [f"tests/models/{name}::" for name in names]
        packages = [f"src/models/{name}:predict" for name in names]
        self.warm.pants("test", tests[0])
        self.warm.pants("package", packages[0])

        def edit(*arguments: str) -> dict[str, float]:
            with self.warm.edit(TOUCHED["base config"]):
                return self.warm.time(*arguments)

        self.figure("test of everything", lambda: edit("test", *tests))
        if self.models <= PACKAGED:
            self.figure("package of everything", lambda: edit("package", *packages))
            shutil.rmtree(self.warm.root / "dist")

    def environment(self) -> Path:
        """The Python of one environment for all models, installed by uv from its cache."""
        folder = self.folder.parent / "uv"
        uv, python = folder / "tool/bin/uv", folder / "environment/bin/python"
        requirements = sorted((ROOT / "3rdparty/python").glob("*.txt"))
        files = [word for file in requirements for word in ("--requirements", file)]
        install = (uv, "pip", "install", "--python", python, "pytest", *files)

        def install_all() -> None:
            run(uv, "venv", "--clear", "--python", interpreter(), python.parents[1], cwd=ROOT)
            run(*install, cwd=ROOT)

        if not python.exists():
            run(sys.executable, "-m", "venv", folder / "tool", cwd=ROOT)
            run(folder / "tool/bin/pip", "install", "--quiet", "uv", cwd=ROOT)
            # Fills uv's cache.
            install_all()
            self.figure("uv: one environment", lambda: measure_time(install_all))
            # PYTHONDONTWRITEBYTECODE keeps tests from compiling, and uv compiles only packages.
            run(*install, "--reinstall", "--compile-bytecode", cwd=ROOT)
        return python

    def peer(self) -> None:
        """Measure plain pytest in one environment: all tests, and those of one changed model."""
        python = self.environment()
        env = {**os.environ, "PYTHONPATH": f"{self.warm.root}/src:{self.warm.root}/tests"}
        pytest = (python, "-m", "pytest", "-q", "-p", "no:cacheprovider")
        tests = [f"tests/models/{Shape(number).name}" for number in range(self.models)]

        def test(*paths: str) -> dict[str, float]:
            return measure_time(lambda: run(*pytest, *paths, cwd=self.warm.root, env=env))

        test(tests[0])
        self.figure("pytest of everything", lambda: test(*tests))
        self.figure("pytest of one model", lambda: median(self.rounds, lambda: test(tests[0])))

    def run(self, only: Sequence[str]) -> None:
        try:
            for group in GROUPS:
                if group in only:
                    getattr(self, group)()
            # After the other measurements, which fill its memory.
            self.figure("local store", lambda: {"megabytes": folder_megabytes(self.store)})
        finally:
            self.warm.stop()


def machine() -> dict[str, object]:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30),
        "system": platform.platform(),
        "commit": run("git", "rev-parse", "HEAD", cwd=ROOT).strip(),
        "day": time.strftime("%Y-%m-%d"),
    }


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=int, nargs="+", default=MODELS, help="how many")
    parser.add_argument("--rounds", type=int, default=3, help="the median of these counts")
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=GROUPS, help="what to measure")
    parser.add_argument("--folder", type=Path, default=Path("/tmp/benchmark-scale"))
    parser.add_argument("--results", type=Path, default=ROOT / "dist/benchmarks/scale.json")
    return parser.parse_args(argv)


def main() -> None:
    options = arguments()
    results = Results(options.results)
    results.machine = machine()
    for models in options.models:
        try:
            Scale(models, options.folder.resolve(), results, options.rounds).run(options.only)
        except CommandFailedError as error:
            sys.exit(f"{error}\nThe results are in {options.results}. To continue, run this again.")


if __name__ == "__main__":
    main()
