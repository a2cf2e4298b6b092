"""What a model may declare, and how it is told what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.errors import InputError
from dags.declaration import Declaration
from dags.release import Release
from dags.settings import DagsSettings
from dags.steps import Step

DECLARATION = """\
start_date = 2026-01-01
owner = "me"
schedule = "0 4 * * *"
environment = { DATASCIENCE_PREDICT_BATCH_ROWS = "9" }
[inputs]
flowers = "flowers/{{ ds }}.csv"
[tasks.train]
options = { seed = 7, promote = false }
[tasks.predict]
after = ["train"]
options = { input = "{{ inputs.flowers }}", batch_rows = 5 }
[tasks.export]
module = "data_exports.export"
"""
RELEASE = Release(
    model="iris", image="host/team/models/iris@sha256:12", commit="abc", environment="staging"
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "models/iris/dag.toml"
    file.parent.mkdir(parents=True)
    file.write_text(DECLARATION)
    return file


def step(file: Path, task: str, release: Release | None = None) -> Step:
    return Step.of("iris", task, Declaration.read(file), release, DagsSettings(registry="here/"))


def test_options_are_those_that_a_person_types_with_inputs_in_their_places(file: Path) -> None:
    predict = step(file, "predict")
    assert predict.module == "models.iris.predict"
    assert predict.arguments == ("--input", "flowers/{{ ds }}.csv", "--batch-rows", "5")
    assert predict.environment == {"DATASCIENCE_PREDICT_BATCH_ROWS": "9"}
    assert step(file, "train").arguments == ("--seed", "7", "--no-promote")


def test_relative_places_are_below_the_root_of_all_places(file: Path) -> None:
    declaration = Declaration.read(file)
    settings = DagsSettings(places="s3://bucket/prod/")
    given = Step.of("iris", "predict", declaration, None, settings).arguments
    assert given[:2] == ("--input", "s3://bucket/prod/flowers/{{ ds }}.csv")
    for absolute in ("/mnt/flowers.csv", "s3://other/flowers.csv"):
        moved = declaration.model_copy(
            update={"inputs": dict.fromkeys(declaration.inputs, absolute)}
        )
        assert Step.of("iris", "predict", moved, None, settings).arguments[1] == absolute


def test_a_models_tasks_run_its_released_image_and_all_others_that_of_the_same_commit(
    file: Path,
) -> None:
    assert step(file, "predict", RELEASE).image == "host/team/models/iris@sha256:12"
    assert step(file, "export", RELEASE).image == "host/team/datascience:abc"
    named = RELEASE.model_copy(update={"shared_image": "host/datascience@sha256:34"})
    assert step(file, "export", named).image == "host/datascience@sha256:34"
    assert step(file, "predict", RELEASE).environment["DATASCIENCE_ENVIRONMENT"] == "staging"
    assert step(file, "predict").image == "here/models/iris:latest"
    assert step(file, "export").image == "here/datascience:latest"


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ('owner = "me"\n', "", "owner: is missing, and has no default"),
        ("schedule", "shedule", "shedule: unknown key; did you mean 'schedule'?"),
        ("0 4 * * *", "daily", "schedule: expected five cron fields, such as"),
        ("after =", "behind =", "tasks.predict.behind: unknown key; known: after, "),
        ('["train"]', '["trian"]', "tasks.predict.after: there is no task 'trian'; did you mean"),
        ("seed = 7", "seed = []", "tasks.train.options.seed: "),
        ("inputs.flowers", "inputs.flower", "there is no 'flower' in [inputs]; did you mean"),
        ("{{ ds }}", "{{ ds", "inputs.flowers: expected a valid Jinja2 template"),
        ("options = { seed", 'after = ["predict"]\noptions = { seed', "they wait for each other"),
        ("[inputs]", "[resources]\nmemory = '2 GB'\n[inputs]", "resources.memory: "),
        ("[inputs]", "[inputs", "not a TOML file"),
        ("2026-01-01", '"soon"', "start_date: "),
    ],
)
def test_a_mistake_is_told_with_file_key_and_what_was_expected(
    file: Path, before: str, after: str, told: str
) -> None:
    assert before in DECLARATION
    file.write_text(DECLARATION.replace(before, after))
    with pytest.raises(InputError) as error:
        Declaration.read(file)
    assert str(error.value).startswith("models/iris/dag.toml: ")
    assert told in str(error.value)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("0 0 4 * * *", "five cron fields, such as"),
        ("0 0 4 * * * 2030", "five cron fields, such as"),
        ("0 4 * *", "five cron fields, such as"),
        ("@minutely", "five cron fields, such as"),
        ("R 4 * * *", "none of them random, unlike 'R'"),
        ("0 r(2-5) * * *", "none of them random, unlike 'r(2-5)'"),
        ("0 0 31 2 *", "five cron fields that match an existing day, such as"),
        ("0 0 31 4,6,9,11 *", "five cron fields that match an existing day, such as"),
        ("*/90 * * * *", "a step of at most 60, unlike '*/90'"),
        ("0 5/25 * * *", "a step of at most 24, unlike '5/25'"),
        ("0 4 * * 1-5,*/8", "a step of at most 7, unlike '1-5,*/8'"),
        ("7-7 4 * * *", "with ranges of two different values, unlike '7-7'"),
    ],
)
def test_a_schedule_that_would_run_at_other_times_or_never_is_refused(
    file: Path, schedule: str, expected: str
) -> None:
    file.write_text(DECLARATION.replace("0 4 * * *", schedule))
    with pytest.raises(InputError) as error:
        Declaration.read(file)
    assert str(error.value).startswith("models/iris/dag.toml: schedule: expected five cron fields")
    assert expected in str(error.value)
    assert str(error.value).endswith(f"@yearly, got {schedule!r}.")


@pytest.mark.parametrize(
    "schedule",
    [
        "*/60 */24 */31 */12 */7",
        "0 4 * * mon#1",
        "0 4 L * *",
        "0 4 * * L5",
        "0 4 29 2 *",
        "0 4 * MAR,APR FRI-SUN",
        "0\\t4  15W * *",
        "@daily",
        "@once",
    ],
)
def test_a_schedule_of_cron_is_accepted(file: Path, schedule: str) -> None:
    file.write_text(DECLARATION.replace("0 4 * * *", schedule))
    assert Declaration.read(file).schedule == schedule.replace("\\t", "\t")


@pytest.mark.parametrize(
    "name",
    ["MY_TOKEN", "DB_PASSWD", "DB_PWD", "PASSPHRASE", "PRIVATE_KEY_PEM", "PGPASSWORD", "API_KEY"],
)
def test_a_variable_that_holds_a_secret_is_refused(file: Path, name: str) -> None:
    file.write_text(DECLARATION.replace("DATASCIENCE_PREDICT_BATCH_ROWS", name))
    with pytest.raises(InputError, match=f"environment.{name}: expected no secret"):
        Declaration.read(file)


@pytest.mark.parametrize(
    "value",
    [
        "postgresql://me:geheim@host/db",  # pragma: allowlist secret
        "postgresql+psycopg:/me:geheim@host/db",
        "postgresql://{{ conn.db.login }}:{{ conn.db.password }}@host/db",
        "https://host/flowers.csv?sas=geheim",
        "-----BEGIN PRIVATE KEY-----\\ngeheim",  # pragma: allowlist secret
    ],
)
@pytest.mark.parametrize("written", ['"9"', '"flowers/{{ ds }}.csv"', "7"])
def test_a_secret_in_a_value_is_refused_and_not_repeated(
    file: Path, written: str, value: str
) -> None:
    assert written in DECLARATION
    file.write_text(DECLARATION.replace(written, f'"{value}"'))
    with pytest.raises(InputError, match="expected no secret") as error:
        Declaration.read(file)
    assert "geheim" not in str(error.value)
    assert "password" not in str(error.value)


def test_all_mistakes_are_told_at_once(file: Path) -> None:
    file.write_text(DECLARATION.replace("owner", "ownr").replace("seed = 7", "seed = []"))
    with pytest.raises(InputError) as error:
        Declaration.read(file)
    keys = [line.split(": ")[1] for line in str(error.value).splitlines()]
    assert sorted(keys) == ["owner", "ownr", "tasks.train.options.seed"]


def test_a_release_that_deploy_did_not_write_is_refused(file: Path) -> None:
    assert Release.find(file) is None
    file.with_name("release.json").write_text('{"model": "iris"}')
    with pytest.raises(InputError, match=r"release\.json: expected a release that `deploy` wrote"):
        Release.find(file)
