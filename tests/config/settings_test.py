from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

import pytest
from pydantic import Field, SecretStr, ValidationError, field_validator

from cli.errors import InputError, SettingsError
from config.settings import Settings

MASK = "**********"


class Predict(Settings):
    # A section that the packaged files of all environments set.
    section: ClassVar[str] = "predict"

    train_if_missing: bool = Field(True, description="Train first.")
    batch_rows: int = Field(100, gt=0, description="Rows at a time.")
    share: float = Field(0.5, description="A share.")
    input: str | None = Field(None, description="A file; default: a sample.")
    mode: Literal["fast", "exact"] = Field("fast", description="How.")
    token: SecretStr = Field(SecretStr("default-secret"), min_length=4, description="A token.")
    keys: tuple[SecretStr, ...] = Field((), description="More of them.")
    names: tuple[str, ...] = Field((), description="Names.")

    @field_validator("token", mode="before")
    @classmethod
    def _no_spaces(cls, token: object) -> object:
        # As careless as a validator can be.
        if " " in str(token):
            raise ValueError(f"no spaces in {token}, please")
        return token


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("DATASCIENCE_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "settings.toml"


def command_line(*argv: str) -> Predict:
    return Predict.parse(argv, prog="predict", description="Predicts.")[1]


@pytest.mark.parametrize(
    ("environment", "trains"), [(None, True), ("dev", True), ("staging", False), ("prod", False)]
)
def test_the_packaged_file_of_the_environment_goes_over_the_defaults(
    environment: str | None, trains: bool
) -> None:
    assert Predict.load(environment=environment) == Predict(train_if_missing=trains)


def test_the_environment_is_an_argument_else_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATASCIENCE_ENVIRONMENT", "prod")
    assert not Predict.load().train_if_missing
    assert Predict.load(environment="dev").train_if_missing
    assert command_line("--environment", "dev").train_if_missing


def test_each_layer_goes_over_the_one_before(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    # The later a key is in the file, the fewer layers override it.
    file.write_text(
        "[predict]\nshare = 0.2\nbatch_rows = 2\ninput = 'file'\ntrain_if_missing = true\n"
        "[train]\nfolds = 'of another section'\n"
    )
    monkeypatch.setenv("DATASCIENCE_PREDICT_BATCH_ROWS", "3")
    monkeypatch.setenv("DATASCIENCE_PREDICT_INPUT", "variable")
    merged = command_line("--environment", "prod", "--config", str(file), "--input", "option")
    assert merged == Predict(share=0.2, batch_rows=3, input="option", train_if_missing=True)


def test_the_file_is_an_argument_else_a_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for rows in (1, 2):
        (tmp_path / f"{rows}.toml").write_text(f"[predict]\nbatch_rows = {rows}\n")
    monkeypatch.setenv("DATASCIENCE_CONFIG", str(tmp_path / "1.toml"))
    assert Predict.load() == Predict(batch_rows=1)
    assert Predict.load(file=tmp_path / "2.toml") == Predict(batch_rows=2)


def test_a_list_is_json_in_a_variable_and_repeated_on_the_command_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATASCIENCE_PREDICT_NAMES", '["a", "b"]')
    assert Predict.load() == Predict(names=("a", "b"))
    assert command_line("--names", "c", "--names", "d") == Predict(names=("c", "d"))


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Predict().batch_rows = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        (
            "[predict]\nbatch_row = 3",
            "batch_row",
            "FILE, [predict]: batch_row: unknown key; did you mean 'batch_rows'?",
        ),
        (
            "[predict]\nxyz = 3",
            "xyz",
            "FILE, [predict]: xyz: unknown key; known keys: batch_rows, input, keys, mode, names, "
            "share, token, train_if_missing.",
        ),
        (
            "[predict]\nbatch_rows = 0",
            "batch_rows",
            "FILE, [predict]: batch_rows: Input should be greater than 0, got 0.",
        ),
        (
            "[predict]\nbatch_rows = 0\nshare = 'two wrong, the first is reported'",
            "batch_rows",
            "FILE, [predict]: batch_rows: Input should be greater than 0, got 0.",
        ),
        ("predict = 3", "predict", "FILE: predict: expected a table [predict], got int."),
        ("batch_rows = 3", "batch_rows", "FILE: batch_rows: is in no section; "),
        ("[[predict]]", "predict", "FILE: predict: expected a table [predict], got list."),
        ("[predikt]", "predikt", "FILE: predikt: unknown section; did you mean [predict]?"),
    ],
)
def test_a_wrong_key_of_a_file_is_named_with_file_and_section(
    file: Path, text: str, key: str, message: str
) -> None:
    file.write_text(text)
    with pytest.raises(
        SettingsError, match=re.escape(message.replace("FILE", str(file)))
    ) as raised:
        Predict.load(file=file)
    assert raised.value.key == key
    assert "\n" not in str(raised.value)


def test_a_section_of_another_program_is_none_of_ours(file: Path) -> None:
    file.write_text("[warehouse]\nuser = 'me'")
    assert Predict.load(file=file) == Predict()


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        (
            "DATASCIENCE_PREDICT_BATCH_ROW",
            "3",
            "environment variable: DATASCIENCE_PREDICT_BATCH_ROW: unknown key; "
            "did you mean 'DATASCIENCE_PREDICT_BATCH_ROWS'?",
        ),
        (
            "DATASCIENCE_PREDICT_BATCH_ROWS",
            "many",
            "environment variable DATASCIENCE_PREDICT_BATCH_ROWS: batch_rows: Input should be a "
            "valid integer, unable to parse string as an integer, got 'many'.",
        ),
        (
            "DATASCIENCE_PREDICT_NAMES",
            "a,b",
            "environment variable DATASCIENCE_PREDICT_NAMES: names: expected JSON (Expecting "
            "value, at character 1).",
        ),
    ],
)
def test_a_wrong_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=f"^{re.escape(message)}$"):
        Predict.load()


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (
            ["--batch-rows", "0"],
            "the command line: batch_rows: Input should be greater than 0, got '0'.",
        ),
        (
            ["--mode", "slow"],
            "the command line: mode: Input should be 'fast' or 'exact', got 'slow'.",
        ),
        (["--batch_rows", "3"], "unknown option '--batch_rows'; did you mean '--batch-rows'?"),
        (["--batch", "3"], "unknown option '--batch'; did you mean '--batch-rows'?"),
        (["--zzz"], "unknown option '--zzz'; known options: --batch-rows, --config, "),
        (["rows.csv"], "a value has no option before it. See `predict --help`."),
        (["--input"], "argument --input: expected one argument. See `predict --help`."),
        (["--environment", "test"], "argument --environment: invalid choice: 'test'"),
    ],
)
def test_a_wrong_command_line_is_one_input_error(argv: list[str], message: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(message)}") as raised:
        command_line(*argv)
    assert raised.value.exit_code == 2


def test_a_choice_must_be_given_and_is_handed_back() -> None:
    def chosen(*argv: str) -> object:
        options, _ = Predict.parse(
            argv, prog="p", description=None, choices={"model": ["iris", "wine"]}
        )
        return options.model

    assert chosen("--model", "wine") == "wine"
    with pytest.raises(InputError, match="--model"):
        chosen()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"batch_rows: 3", "not a TOML file: Expected '=' after a key"),
        (b"\xff\xfe[predict]", "not a TOML file: 'utf-8' codec can't decode"),
    ],
)
def test_a_file_that_is_not_toml_is_named(file: Path, content: bytes, problem: str) -> None:
    file.write_bytes(content)
    with pytest.raises(InputError, match=re.escape(f"{file}: {problem}")):
        Predict.load(file=file)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, file: Path) -> None:
    with pytest.raises(InputError, match=re.escape(f"{tmp_path}: cannot read the settings file: ")):
        Predict.load(file=tmp_path)
    with pytest.raises(InputError, match=re.escape(f"{file}: cannot read the settings file: No ")):
        Predict.load(file=file)


def test_an_empty_name_of_a_file_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATASCIENCE_CONFIG", "")
    with pytest.raises(InputError, match="The name of the settings file is empty"):
        Predict.load()


@pytest.mark.parametrize("name", ["production", ""])
def test_an_unknown_environment_lists_the_known_ones(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("DATASCIENCE_ENVIRONMENT", name)
    message = f"No environment {name!r}; known: dev, staging, prod. Set --environment or "
    with pytest.raises(InputError, match=re.escape(message)):
        Predict.load()


def test_describe_tells_every_key_and_masks_secrets() -> None:
    settings = Predict.load({"token": "geheim", "keys": ["geheim"], "batch_rows": 3})
    assert settings.token.get_secret_value() == "geheim"
    assert settings.describe() == {
        "train_if_missing": "True",
        "batch_rows": "3",
        "share": "0.5",
        "input": "None",
        "mode": "fast",
        "token": MASK,
        "keys": f"(SecretStr('{MASK}'),)",
        "names": "()",
    }
    assert "geheim" not in repr(settings) + str(settings)


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"token": "geh"}, "token"),  # too short
        ({"token": "geh eim"}, "token"),
        ({"token": ["geheim"]}, "token"),
        ({"keys": "geheim"}, "keys"),
        ({"keys": ["geheim", 3]}, "keys"),
        ({"tokn": "geheim"}, "tokn"),
    ],
)
def test_no_error_shows_a_secret(values: Mapping[str, object], key: str) -> None:
    with pytest.raises(SettingsError, match=f"the command line: {key}: ") as raised:
        Predict.load(values)
    assert "geh" not in str(raised.value)
    assert raised.value.__suppress_context__


def test_no_error_shows_the_secret_of_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATASCIENCE_PREDICT_KEYS", "geheim")
    with pytest.raises(
        SettingsError, match=r"_KEYS: keys: expected JSON \(Expecting value, at .*\)\.$"
    ) as raised:
        Predict.load()
    assert "geheim" not in str(raised.value)
    assert raised.value.__suppress_context__


@pytest.mark.parametrize("argv", [["--tokn", "geheim"], ["--tokn=geheim"], ["geheim"]])
def test_no_error_shows_what_may_be_a_secret_on_the_command_line(argv: list[str]) -> None:
    with pytest.raises(InputError) as raised:
        command_line(*argv)
    assert "geheim" not in str(raised.value)


def test_help_names_values_and_defaults_but_no_python_types(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit, match="0"):
        command_line("--help")
    options = capsys.readouterr().out.partition("options:\n")[2]
    assert [" ".join(line.split()) for line in options.splitlines()] == [
        "-h, --help show this help message and exit",
        "--environment {dev,staging,prod}",
        "default: $DATASCIENCE_ENVIRONMENT, then dev",
        "--config FILE a TOML file that overrides the environment's; default: $DATASCIENCE_CONFIG",
        "--train-if-missing, --no-train-if-missing",
        "Train first. (default: True)",
        "--batch-rows NUMBER Rows at a time. (default: 100)",
        "--share NUMBER A share. (default: 0.5)",
        "--input INPUT A file; default: a sample.",
        "--mode {fast,exact} How. (default: fast)",
        "--token TOKEN A token.",
        "--keys KEYS More of them.",
        "--names NAMES Names.",
    ]
