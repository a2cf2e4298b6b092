from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

import pytest
from pants.backend.python import target_types_rules
from pants.core.goals.fmt import FmtResult
from pants.core.goals.lint import LintResult
from pants.core.util_rules.partitions import Partitions
from pants.engine.fs import Digest, DigestContents, PathGlobs, Snapshot
from pants.engine.process import ProcessExecutionFailure
from pants.engine.rules import QueryRule
from pants.testutil.rule_runner import RuleRunner, engine_error

from linters import rules as linters_rules
from linters.rules import fmt_request, lint_request
from linters.subsystem import FileTool
from linters.tools import (
    TOOLS,
    DetectSecrets,
    Hadolint,
    Rumdl,
    ShellCheck,
    Shfmt,
    Sqlfluff,
    Tombi,
    Yamlfmt,
)

ROOT = Path(__file__).parents[2]
LOCK = "3rdparty/python/locks/linters.lock"
PLANTED = "c0rrect-h0rse-battery"  # pragma: allowlist secret
LINTERS = tuple(tool for tool in TOOLS if tool.lint_command is not None)
FORMATTERS = tuple(tool for tool in TOOLS if tool.fmt_command is not None)


def pex_cli_options() -> tuple[str, ...]:
    """The version that the repository's pants.toml pins."""
    section = r'\[pex-cli\]\nversion = "(.*?)"\nknown_versions = (\[.*?\n\])'
    found = re.search(section, (ROOT / "pants.toml").read_text(), re.DOTALL)
    assert found
    return f"--pex-cli-version={found[1]}", f"--pex-cli-known-versions={found[2]}"


class Repository:
    """Files, and the results of a tool on them."""

    def __init__(self) -> None:
        requests = (
            *((lint_request(tool), LintResult) for tool in LINTERS),
            *((fmt_request(tool), FmtResult) for tool in FORMATTERS),
        )
        self.runner = RuleRunner(
            rules=[
                *linters_rules.rules(),
                *target_types_rules.rules(),
                QueryRule(DigestContents, [Digest]),
                QueryRule(Snapshot, [PathGlobs]),
                *(QueryRule(result, [request.Batch]) for request, result in requests),
                *(QueryRule(Partitions, [request.PartitionRequest]) for request, _ in requests),
            ]
        )

    def clear(self) -> None:
        """Remove the files and options of other tests; a new `RuleRunner` takes seconds."""
        root = Path(self.runner.build_root)
        paths = [path for path in root.rglob("*") if ".pants.d" not in path.parts]
        for path in paths:
            if path.is_file():
                path.unlink()
        names = {"", *(str(path.relative_to(root)) for path in paths)}
        self.runner.scheduler.scheduler.invalidate_files(names)
        self.configure()
        self.write(**{LOCK: (ROOT / LOCK).read_text()})

    def configure(self, *options: str) -> None:
        self.runner.set_options(
            [
                f"--python-resolves={{'linters': '{LOCK}'}}",
                "--python-default-resolve=linters",
                "--python-enable-resolves",
                "--python-interpreter-constraints=['CPython==3.13.*']",
                "--python-interpreter-versions-universe=['3.9', '3.13']",
                "--python-bootstrap-search-path=['<PYENV>', '<PATH>']",
                *pex_cli_options(),
                *options,
            ],
            env_inherit=set(os.environ),
        )

    def write(self, **files: str) -> None:
        self.runner.write_files(files)

    def lint(self, tool: type[FileTool], *files: str) -> LintResult:
        request = lint_request(tool)
        (partition,) = self.runner.request(Partitions, [request.PartitionRequest(files)])
        batch = request.Batch(request.tool_name, partition.elements, partition.metadata)
        return self.runner.request(LintResult, [batch])

    def fmt(self, tool: type[FileTool], *files: str) -> dict[str, str]:
        """Write the files that the formatter changes, and return them."""
        request = fmt_request(tool)
        (partition,) = self.runner.request(Partitions, [request.PartitionRequest(files)])
        snapshot = self.runner.request(Snapshot, [PathGlobs(partition.elements)])
        batch = request.Batch(
            request.tool_name, partition.elements, partition.metadata, snapshot=snapshot
        )
        result = self.runner.request(FmtResult, [batch])
        if not result.did_change:
            return {}
        written = self.runner.request(DigestContents, [result.output.digest])
        files_after = {file.path: file.content.decode() for file in written}
        self.write(**files_after)
        return files_after


@pytest.fixture(scope="module")
def shared() -> Repository:
    return Repository()


@pytest.fixture
def repository(shared: Repository) -> Repository:
    shared.clear()
    return shared


# For each tool: a correct file, a faulty file, and the text that locates the fault.
GOOD_AND_BAD = {
    ShellCheck: ("a.sh", "#!/bin/sh\necho hello\n", "#!/bin/sh\necho $1\n", "In a.sh line 2:"),
    Hadolint: (
        "x/Dockerfile",
        "FROM scratch\nCOPY a /a\n",
        "FROM debian:12\nRUN cd /tmp\n",
        "x/Dockerfile:2 DL3003",
    ),
    Sqlfluff: ("a.sql", "SELECT 1 AS one\n", "SELECT 1 AS one\nfrom\n", "L:   2 "),
    Tombi: ("a.toml", "a = 1\n", "a = 1\na = 2\n", "a.toml:2:1"),
    Rumdl: ("a.md", "# A\n\n[A](#a)\n", "# A\n\n[A](#b)\n", "a.md:3:"),
    DetectSecrets: (
        "a.py",
        "password = input()\n",
        f'import sys\n\npassword = "{PLANTED}"\n',
        "a.py:3: Secret Keyword",
    ),
}
# For each tool: a file before and after formatting.
TYPED = {
    Shfmt: ("a.sh", "if true;  then\n    echo a\nfi\n", "if true; then\n\techo a\nfi\n"),
    Sqlfluff: ("a.sql", "SELECT  1 AS one\n", "SELECT 1 AS one\n"),
    Tombi: ("a.toml", "a=1\n", "a = 1\n"),
    Yamlfmt: ("a.yaml", "a:   1\n", "a: 1\n"),
    Rumdl: ("a.md", "# A\nText.\n", "# A\n\nText.\n"),
}
SQL = {".sqlfluff": "[sqlfluff]\ndialect = duckdb\n"}


def test_every_linter_and_formatter_is_tested() -> None:
    assert tuple(tool for tool in TOOLS if tool in GOOD_AND_BAD) == LINTERS
    assert tuple(tool for tool in TOOLS if tool in TYPED) == FORMATTERS


@pytest.mark.parametrize("tool", LINTERS, ids=lambda tool: tool.options_scope)
def test_a_fault_is_named_by_file_and_line(repository: Repository, tool: type[FileTool]) -> None:
    file, good, bad, named = GOOD_AND_BAD[tool]
    repository.write(**SQL, **{file: good})
    passed = repository.lint(tool, file)
    assert passed.exit_code == 0, passed
    repository.write(**{file: bad})
    failed = repository.lint(tool, file)
    assert failed.exit_code == 1
    assert named in failed.stdout + failed.stderr
    assert file in failed.stdout + failed.stderr


@pytest.mark.parametrize("tool", FORMATTERS, ids=lambda tool: tool.options_scope)
def test_formatted_files_do_not_change(repository: Repository, tool: type[FileTool]) -> None:
    file, typed, formatted = TYPED[tool]
    repository.write(**SQL, **{file: typed})
    assert repository.fmt(tool, file) == {file: formatted}
    assert repository.fmt(tool, file) == {}


def test_only_the_given_files_are_linted(repository: Repository) -> None:
    bad = GOOD_AND_BAD[ShellCheck][2]
    repository.write(**{"given.sh": "#!/bin/sh\necho hello\n", "other.sh": bad})
    assert repository.lint(ShellCheck, "given.sh").exit_code == 0
    assert repository.fmt(Shfmt, "given.sh") == {}


def test_globs_select_the_files_of_a_tool(repository: Repository) -> None:
    files = ("a.sh", "b/c.bash", "b/made.sh", "run", "b/run", "a.py")
    request = lint_request(ShellCheck)
    repository.configure("--shellcheck-include=+['run']", "--shellcheck-exclude=b/made.*")
    (partition,) = repository.runner.request(Partitions, [request.PartitionRequest(files)])
    assert partition.elements == ("a.sh", "b/c.bash", "run")
    repository.configure("--shellcheck-skip")
    assert repository.runner.request(Partitions, [request.PartitionRequest(files)]) == Partitions()


def test_arguments_are_passed_to_the_linter_only(repository: Repository) -> None:
    repository.configure("--tombi-args=--no-such-option")
    repository.write(**{"a.toml": "a=1\n"})
    assert "--no-such-option" in repository.lint(Tombi, "a.toml").stderr
    assert repository.fmt(Tombi, "a.toml") == {"a.toml": "a = 1\n"}


def test_a_sourced_script_is_followed(repository: Repository) -> None:
    repository.write(
        **{
            "x/main.sh": "#!/bin/bash\n# shellcheck source=x/names.sh\nsource x/names.sh\n"
            'echo "$name"\n',
            "x/names.sh": "#!/bin/bash\nname=a\n",
        }
    )
    # x/names.sh itself is not linted, so its unused `name` is not reported.
    result = repository.lint(ShellCheck, "x/main.sh")
    assert (result.exit_code, result.stdout) == (0, "")


def test_a_formatter_is_configured_by_the_file_in_the_root(repository: Repository) -> None:
    repository.write(
        **{
            ".editorconfig": (ROOT / ".editorconfig").read_text(),
            "x/a.sh": "if true; then\n\techo a\nfi\n",
        }
    )
    assert repository.fmt(Shfmt, "x/a.sh") == {"x/a.sh": "if true; then\n  echo a\nfi\n"}


def test_a_file_that_cannot_be_read_fails_the_formatter(repository: Repository) -> None:
    repository.write(**{"a.sh": "if true\n"})
    with engine_error(ProcessExecutionFailure, contains="a.sh:1:1:"):
        repository.fmt(Shfmt, "a.sh")


def test_links_break_by_changes_of_other_files(repository: Repository) -> None:
    repository.write(
        **{
            "docs/a.md": "# A\n\n[b](../b.md#the-second), [code](../src/c.py), [all](../src/)\n",
            "b.md": "# B\n\n## The second\n",
            "src/c.py": "",
        }
    )
    assert repository.lint(Rumdl, "b.md").exit_code == 0
    repository.write(**{"b.md": "# B\n\n## The third\n"})
    result = repository.lint(Rumdl, "b.md")
    assert result.exit_code == 1
    assert "docs/a.md:3:" in result.stdout
    assert "'the-second' not found in" in result.stdout


def test_a_broken_link_is_reported(repository: Repository) -> None:
    repository.write(**{"docs/a.md": "# A\n\n[code](../src/gone.py)\n"})
    result = repository.lint(Rumdl, "docs/a.md")
    assert (result.exit_code, result.stdout.count("\n")) == (1, 3)
    assert "docs/a.md:3:" in result.stdout
    assert "'../src/gone.py' does not exist" in result.stdout


def baseline(*, line: int) -> str:
    """A baseline with the planted secret in a.py, configured like the repository's."""
    content = json.loads((ROOT / ".secrets.baseline").read_text())
    digest = hashlib.sha1(PLANTED.encode()).hexdigest()
    known = {"type": "Secret Keyword", "filename": "a.py", "hashed_secret": digest}
    content["results"] = {"a.py": [{**known, "is_verified": False, "line_number": line}]}
    return json.dumps(content)


def test_a_known_secret_may_move_in_its_file(repository: Repository) -> None:
    repository.configure("--detect-secrets-args=--baseline=.secrets.baseline")
    secret = f'password = "{PLANTED}"\n'
    repository.write(**{".secrets.baseline": baseline(line=1), "a.py": f"\n\n{secret}"})
    assert repository.lint(DetectSecrets, "a.py").exit_code == 0
    repository.write(**{"b.py": f"{secret}{secret[:-1]}  # pragma: allowlist secret\n"})
    result = repository.lint(DetectSecrets, "a.py", "b.py")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[:2] == ["b.py:1: Secret Keyword", ""]
    assert PLANTED not in result.stdout
