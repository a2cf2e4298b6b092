from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from pants.core.util_rules import system_binaries
from pants.engine.rules import QueryRule
from pants.testutil.rule_runner import RuleRunner

from model_image import revision
from model_image.revision import EPOCH, Revision, RevisionRequest, safe_directory_command

COMMIT = "0f1533d63dfa683562ee107c0bdc563b8cd66b5b"
CREATED = 1_700_000_000
# The part of GnuPG that git calls.
SIGNER = """\
#!/bin/sh
cat >/dev/null
printf '\\n[GNUPG:] SIG_CREATED \\n' >&2
echo a signature
"""


@pytest.fixture
def rule_runner() -> RuleRunner:
    runner = RuleRunner(
        rules=[
            *revision.rules(),
            *system_binaries.rules(),
            QueryRule(Revision, [RevisionRequest]),
        ]
    )
    runner.set_options([], env_inherit={"PATH"})
    runner.write_files({"src/model.py": "x = 1\n"})
    return runner


def git(rule_runner: RuleRunner, *arguments: str) -> str:
    """Call git in the build root, without this machine's settings."""
    who = ("GIT_AUTHOR", "GIT_COMMITTER")
    env = {
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        **{f"{name}_NAME": "A" for name in who},
        **{f"{name}_EMAIL": "a@example.com" for name in who},
        **{f"{name}_DATE": f"{CREATED} +0200" for name in who},
    }
    command = ("git", "-C", rule_runner.build_root, *arguments)
    return subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout


def commit(rule_runner: RuleRunner) -> str:
    """Make the build root a repository, and return its commit."""
    git(rule_runner, "init", "--quiet")
    git(rule_runner, "add", "src")
    git(rule_runner, "commit", "--quiet", "--message=One")
    return git(rule_runner, "rev-parse", "HEAD").strip()


def find(rule_runner: RuleRunner) -> Revision:
    return rule_runner.request(Revision, [RevisionRequest()])


def test_a_commit_is_named_with_its_date(rule_runner: RuleRunner) -> None:
    made = commit(rule_runner)
    assert find(rule_runner) == Revision(made, CREATED)


def test_uncommitted_changes_are_reported(rule_runner: RuleRunner) -> None:
    made = commit(rule_runner)
    rule_runner.write_files({"src/model.py": "x = 2\n"})
    assert find(rule_runner) == Revision(f"{made}+changes", CREATED)


def test_a_staged_change_counts(rule_runner: RuleRunner) -> None:
    made = commit(rule_runner)
    rule_runner.write_files({"src/new.py": ""})
    git(rule_runner, "add", "src")
    assert find(rule_runner) == Revision(f"{made}+changes", CREATED)


def test_an_untracked_file_is_a_change_whatever_gits_settings(rule_runner: RuleRunner) -> None:
    made = commit(rule_runner)
    git(rule_runner, "config", "status.showUntrackedFiles", "no")
    rule_runner.write_files({"src/new.py": ""})
    assert find(rule_runner) == Revision(f"{made}+changes", CREATED)


def test_the_lookup_does_not_change_the_index(rule_runner: RuleRunner) -> None:
    commit(rule_runner)
    index = Path(rule_runner.build_root, ".git/index")
    before = index.read_bytes()
    # By default, `git status` would update the index for this file.
    for file in Path(rule_runner.build_root, "src").glob("*.py"):
        os.utime(file, (1, 1))
    find(rule_runner)
    assert index.read_bytes() == before


def test_an_ignored_file_is_not_a_change(rule_runner: RuleRunner) -> None:
    rule_runner.write_files({"src/.gitignore": "/new.py\n", "src/new.py": ""})
    made = commit(rule_runner)
    assert find(rule_runner) == Revision(made, CREATED)


def test_signatures_in_gits_output_are_not_the_commit(
    rule_runner: RuleRunner, tmp_path: Path
) -> None:
    commit(rule_runner)
    signer = tmp_path / "gpg"
    signer.write_text(SIGNER)
    signer.chmod(0o755)
    git(rule_runner, "config", "gpg.program", str(signer))
    git(rule_runner, "config", "log.showSignature", "true")
    git(rule_runner, "commit", "--quiet", "--allow-empty", "--gpg-sign", "--message=Two")
    made = git(rule_runner, "rev-parse", "HEAD").strip()
    assert find(rule_runner) == Revision(made, CREATED)


def test_without_a_commit_it_is_unknown(rule_runner: RuleRunner) -> None:
    git(rule_runner, "init", "--quiet")
    assert find(rule_runner) == Revision("unknown", EPOCH)


def test_without_a_repository_it_is_unknown(rule_runner: RuleRunner) -> None:
    assert find(rule_runner) == Revision("unknown", EPOCH)


def test_git_suggests_how_to_trust_another_users_clone(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    # git's own test switch. Changing the owner of the files would need root.
    env = {**os.environ, "LC_ALL": "C", "GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}
    done = subprocess.run(["git", "-C", tmp_path, "show"], env=env, capture_output=True, text=True)
    expected = f"git config --global --add safe.directory {tmp_path}"
    assert safe_directory_command(done.stderr) == expected
    assert safe_directory_command("fatal: not a git repository") == ""


@pytest.mark.parametrize(
    ("status", "expected", "tag"),
    [
        ("", Revision(COMMIT, CREATED), COMMIT),
        ("\n", Revision(COMMIT, CREATED), COMMIT),
        (" M src/model.py\n", Revision(f"{COMMIT}+changes", CREATED), None),
    ],
)
def test_only_a_clean_commit_is_a_tag(status: str, expected: Revision, tag: str | None) -> None:
    parsed = Revision.parse(f"{COMMIT} {CREATED}\n", status)
    assert (parsed, parsed.tag) == (expected, tag)


def test_an_unknown_revision_has_no_tag() -> None:
    assert Revision().tag is None
