"""Images, really built and run: a repository, its Pants, and a Docker engine of their own."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from integration.commands import ROOT, Result, commit_all, copy_repository, start, stop_pantsd
from integration.docker_engine import DockerEngine
from integration.docker_registry import DockerRegistry
from support.requirements import need_program

IRIS = "models/iris"
MONOLITH = "datascience"
IMAGES = {IRIS: "src/models/iris:image", MONOLITH: "docker/datascience:image"}
THIRD_PARTY = "datascience-third-party"
FLOWERS = """\
sepal_length_cm,sepal_width_cm,petal_length_cm,petal_width_cm,garden
5.1,3.5,1.4,0.2,north
6.7,3.0,5.2,2.3,south
"""
KILOBYTE = 1_000
# As production runs a task: it may write to what is mounted, and to its own memory.
LOCKED_DOWN = ("--rm", "--network=none", "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL")
SECRET = "hunter2-planted-secret"


@dataclass(frozen=True)
class Workshop:
    """A repository, and the engine that its images are in."""

    root: Path
    engine: DockerEngine
    base: str

    def environment(self) -> dict[str, str]:
        return {**self.engine.env, "PANTS_IMAGES_BASE_IMAGE": self.base, "PANTS_PANTSD": "true"}

    def pants(self, *arguments: str, code: int = 0, env: dict[str, str] | None = None) -> Result:
        started = start(
            "./pants",
            "--no-dynamic-ui",
            "--no-colors",
            *arguments,
            cwd=self.root,
            env={**self.environment(), **(env or {})},
        )
        result = Result.of(started, timeout=900)
        assert result.code == code, (arguments, result.out, result.err)
        return result

    def make_base(self) -> None:
        """The image that all others are built on, of Debian's packages as its mirror has them."""
        need_program("mmdebstrap")
        self.pants("run", "docker/base:debian", "--", "--allow-newer")

    def package(self, *targets: str) -> None:
        self.pants("package", *targets)

    def docker(self, *arguments: str | Path, code: int = 0) -> str:
        result = self.engine.docker(*map(str, arguments))
        assert result.code == code, (arguments, result.out, result.err)
        return result.out

    def inspect(self, image: str) -> dict[str, Any]:
        (told,) = json.loads(self.docker("image", "inspect", image))
        return dict(told)

    def refs(self, repository: str) -> set[str]:
        listed = self.docker("image", "ls", "--format={{.Tag}}", repository)
        return set(listed.split())

    def run(self, image: str, work: Path, *task: str, code: int = 0) -> str:
        """Run a task on a folder that is mounted where it is."""
        place = (f"--volume={work}:{work}", f"--workdir={work}")
        return self.docker("run", *LOCKED_DOWN, *place, image, *task, code=code)

    def append(self, file: str, text: str) -> None:
        with (self.root / file).open("a") as opened:
            opened.write(text)

    def commit(self) -> str:
        return commit_all(self.root)


@pytest.fixture(scope="module")
def engine() -> Iterator[DockerEngine]:
    with DockerEngine() as engine:
        yield engine


@pytest.fixture(scope="module")
def workshop(engine: DockerEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """A commit of the repository with both images of it built, and a secret beside the sources."""
    root = tmp_path_factory.mktemp("images") / "repository"
    copy_repository(root)
    (root / "src/models/iris/.env").write_text(f"PASSWORD={SECRET}\n")
    (root / "docker/.env").write_text(f"PASSWORD={SECRET}\n")
    workshop = Workshop(root, engine, "datascience-base:debian")
    workshop.commit()
    try:
        workshop.make_base()
        secrets = {"AWS_SECRET_ACCESS_KEY": SECRET, "DATASCIENCE_STORES_S3_SECRET": SECRET}
        workshop.pants("package", *IMAGES.values(), "src/models/iris:predict", env=secrets)
        yield workshop
    finally:
        stop_pantsd(root)


@pytest.fixture(scope="module")
def trained(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a champion that the model's own image trained, and rows to predict."""
    work = tmp_path_factory.mktemp("work")
    # Whoever runs the image is somebody else.
    work.chmod(0o777)
    (work / "flowers.csv").write_text(FLOWERS)
    workshop.run(IRIS, work, "models.iris.train")
    return work


def layers_of(workshop: Workshop, image: str) -> list[tarfile.TarFile]:
    """The layers of an image, the base first, as they are stored."""
    # An engine takes seconds to save an image: once for each that it has.
    identifier = workshop.inspect(image)["Id"].rpartition(":")[2]
    saved = workshop.root.parent / f"{identifier}.tar"
    if not saved.exists():
        workshop.docker("save", f"--output={saved}", f"{image}:latest")
    with tarfile.open(saved) as archive:
        (manifest,) = json.loads(_read(archive, "manifest.json"))
        layers = [io.BytesIO(_read(archive, layer)) for layer in manifest["Layers"]]
    return [tarfile.open(fileobj=layer) for layer in layers]


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    member = archive.extractfile(name)
    assert member is not None
    return member.read()


def predict_with_pex(workshop: Workshop, work: Path, *arguments: str) -> None:
    pex = workshop.root / "dist/src.models.iris/predict.pex"
    python = Path(sys.executable).resolve()
    environment = {"MLFLOW_TRACKING_URI": "", "PYTHONPATH": ""}
    result = Result.of(start(python, pex, *arguments, cwd=work, env=environment), timeout=600)
    assert result.code == 0, result.err


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_both_kinds_of_image_predict_as_the_package_does_byte_for_byte(
    workshop: Workshop, trained: Path, kind: str
) -> None:
    predict_with_pex(workshop, trained, "--input", "flowers.csv", "--output", f"pex.{kind}")
    rows = ("--input", "flowers.csv", "--output")
    workshop.run(IRIS, trained, "models.iris.predict", *rows, f"own.{kind}")
    workshop.run(MONOLITH, trained, "models.iris.predict", *rows, f"all.{kind}")
    workshop.run(MONOLITH, trained, "models.predict", "--model", "iris", *rows, f"any.{kind}")
    expected = (trained / f"pex.{kind}").read_bytes()
    for made in ("own", "all", "any"):
        assert (trained / f"{made}.{kind}").read_bytes() == expected, made
    if kind == "csv":
        species = [row["species"] for row in csv.DictReader(expected.decode().splitlines())]
        assert species == ["setosa", "virginica"]


def test_an_image_lists_its_tasks_and_each_explains_itself(workshop: Workshop) -> None:
    own = workshop.docker("run", *LOCKED_DOWN, IRIS)
    assert re.findall(r"^  (models\S+) +\S", own, re.MULTILINE) == [
        "models.iris.evaluate",
        "models.iris.gate",
        "models.iris.predict",
        "models.iris.train",
    ]
    every = workshop.docker("run", *LOCKED_DOWN, MONOLITH)
    for task in ("models.iris.predict", "models.diabetes.tune", "models.predict"):
        assert f"  {task} " in every
    helped = workshop.docker("run", *LOCKED_DOWN, MONOLITH, "models.iris.predict", "--help")
    assert "Predict the species of iris flowers." in helped


def test_without_a_model_an_image_lists_its_models_and_each_command_works(
    workshop: Workshop, trained: Path
) -> None:
    asked = workshop.engine.docker("run", *LOCKED_DOWN, f"{MONOLITH}:latest", "models.predict")
    assert (asked.code, asked.out) == (2, "")
    listed = re.findall(r"^  (\w+) +(docker run --rm .+)$", asked.err, re.MULTILINE)
    assert [name for name, _ in listed] == ["company_emissions", "diabetes", "iris"]
    assert "pants" not in asked.err
    place = f"--network=none --volume={trained}:{trained} --workdir={trained}"
    line = dict(listed)["iris"].replace("docker run", f"docker run {place}")
    started = start(
        "bash", "-c", f"{line} --output listed.csv", env=workshop.engine.env, cwd=trained
    )
    result = Result.of(started, timeout=600)
    assert result.code == 0, result.err
    assert (trained / "listed.csv").exists()


def test_a_model_image_holds_what_the_model_imports_and_nothing_else(workshop: Workshop) -> None:
    told = json.loads((workshop.root / "dist/src.models.iris/image.cdx.json").read_text())
    packages = {part["name"] for part in told["components"] if part["type"] == "library"}
    assert packages >= {"pandas", "scikit-learn", "pyarrow", "mlflow-skinny", "matplotlib"}
    assert packages & {"mapie", "duckdb", "deltalake", "jupyterlab", "mlflow", "pytest"} == set()
    first_party = [name for layer in layers_of(workshop, IRIS)[2:] for name in layer.getnames()]
    models = {name.split("/")[4] for name in first_party if "/first_party/models/" in name}
    assert "iris" in models
    assert models & {"diabetes", "company_emissions"} == set()


def test_a_new_model_is_in_the_image_of_all_without_an_edit(workshop: Workshop) -> None:
    source = workshop.root / "src/models/iris"
    tulip = workshop.root / "src/models/tulip"
    tulip.mkdir()
    try:
        for file in source.glob("[!.]*.*"):
            text = re.sub(r'(models[./]|")\biris\b', r"\g<1>tulip", file.read_text())
            (tulip / file.name).write_text(text)
        (tulip / "BUILD").write_text((source / "BUILD").read_text())
        workshop.package(IMAGES[MONOLITH])
        assert "  models.tulip.predict " in workshop.docker("run", *LOCKED_DOWN, MONOLITH)
    finally:
        shutil.rmtree(tulip)
        workshop.package(IMAGES[MONOLITH])


def test_a_started_model_trains_and_predicts_in_its_image_without_an_edit(
    workshop: Workshop, tmp_path: Path
) -> None:
    workshop.commit()
    new_model = ("run", "src/tools:new-model", "--", "late_payment", "--kind", "classification")
    workshop.pants(*new_model)
    try:
        workshop.package("src/models/late_payment:image")
        tmp_path.chmod(0o777)
        workshop.run("models/late_payment", tmp_path, "models.late_payment.train")
        predict = ("models.late_payment.predict", "--output", "predicted.csv")
        workshop.run("models/late_payment", tmp_path, *predict)
        with (tmp_path / "predicted.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == 300
        assert {row["label"] for row in rows} == {"stays", "leaves"}
    finally:
        # All of it is new, and nothing else is.
        clean = ["git", "clean", "--force", "--quiet", "-d", "src", "tests"]
        subprocess.run(clean, cwd=workshop.root, check=True)


def test_what_is_not_needed_to_run_is_not_there(workshop: Workshop) -> None:
    for image in IMAGES:
        told = workshop.inspect(image)["Config"]
        assert told["User"] == "10001:10001"
        names = {
            Path(member).name
            for layer in layers_of(workshop, image)
            for member in layer.getnames()
            if Path(member).parent.name in ("bin", "sbin") or "python3" in member
        }
        unwanted = {"sh", "bash", "dash", "apt", "apt-get", "dpkg", "perl", "gcc", "cc", "pip"}
        assert names & {*unwanted, "pip3", "ensurepip", ".bash_history", ".ash_history"} == set()
    third_party = layers_of(workshop, IRIS)[1].getnames()
    tops = {name.split("/")[3] for name in third_party if name.count("/") >= 3}
    assert tops & {"pip", "setuptools", "wheel", "bin"} == set()
    assert not [name for name in third_party if name.endswith((".h", ".pyx", ".c"))]


def test_a_secret_that_lies_about_is_in_no_layer_and_no_description(workshop: Workshop) -> None:
    for image in (IRIS, MONOLITH):
        for layer in layers_of(workshop, image):
            for member in layer.getmembers():
                assert not member.name.endswith("/.env")
                if member.isfile():
                    assert SECRET.encode() not in _read(layer, member.name), member.name
        assert SECRET not in json.dumps(workshop.inspect(image))
        assert SECRET not in workshop.docker("history", "--no-trunc", image)
    for told in (workshop.root / "dist").glob("*/image.*json"):
        assert SECRET not in told.read_text()


def test_an_image_says_where_it_comes_from(workshop: Workshop) -> None:
    workshop.package(IMAGES[IRIS])
    commit = workshop.commit()
    told = workshop.inspect(IRIS)
    labels = told["Config"]["Labels"]
    annotation = "org.opencontainers.image."
    (content,) = (tag for tag in told["RepoTags"] if ":content-" in tag)
    assert labels[f"{annotation}version"] == content.rpartition(":")[2]
    assert len(labels[f"{annotation}revision"]) == len(commit)
    assert labels[f"{annotation}licenses"] == "MIT"
    assert labels[f"{annotation}source"].startswith("https://")
    variables = dict(value.split("=", 1) for value in told["Config"]["Env"])
    assert variables["DATASCIENCE_IMAGE"] == content
    assert variables["DATASCIENCE_GIT_COMMIT"] == labels[f"{annotation}revision"]
    bill = json.loads((workshop.root / "dist/src.models.iris/image.cdx.json").read_text())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["name"] == IRIS
    urls = [part["purl"] for part in bill["components"] if part["type"] == "library"]
    assert [url for url in urls if re.match(r"pkg:pypi/pandas@\d", url)]
    assert [url for url in urls if re.match(r"pkg:deb/debian/libc6@2.*distro=debian-13", url)]


def test_a_change_of_one_line_adds_a_small_layer_and_no_other(workshop: Workshop) -> None:
    workshop.package(IMAGES[IRIS])
    before = workshop.inspect(IRIS)["RootFS"]["Layers"]
    third_party = workshop.refs(THIRD_PARTY)
    workshop.append("src/models/iris/pipeline.py", "# One line more.\n")
    workshop.package(IMAGES[IRIS])
    after = workshop.inspect(IRIS)["RootFS"]["Layers"]
    # Base, third party, shared, own.
    assert after[:3] == before[:3]
    assert after[3] != before[3]
    assert len(after) == len(before) == 4
    layer = layers_of(workshop, IRIS)[-1]
    assert sum(member.size for member in layer.getmembers()) < 200 * KILOBYTE
    assert workshop.refs(THIRD_PARTY) == third_party


def test_what_has_not_changed_is_not_built_again(workshop: Workshop) -> None:
    workshop.commit()
    workshop.package(IMAGES[IRIS])
    before = workshop.inspect(IRIS)["Id"]
    workshop.append("README.md", "Not about images.\n")
    commit = workshop.commit()
    started = time.time()
    workshop.package(IMAGES[IRIS])
    # Asked of the engine: Pants itself may ask once more for what an earlier call wanted, which
    # `build.py` answers without a build.
    events = workshop.docker(
        "events",
        f"--since={started:.3f}",
        f"--until={time.time():.3f}",
        "--filter=type=image",
        "--format={{.Action}}",
    )
    assert {*events.split()} == {"tag"}
    assert workshop.inspect(IRIS)["Id"] == before
    # The same image has the name of the new commit, too.
    assert workshop.inspect(f"{IRIS}:{commit}")["Id"] == before


def test_only_what_changed_is_packaged(workshop: Workshop) -> None:
    workshop.commit()
    workshop.append("src/models/diabetes/pipeline.py", "# One line more.\n")
    changed = ("--changed-since=HEAD", "--filter-target-type=model_image")
    listed = workshop.pants(*changed, "list").out.split()
    assert listed == ["docker/datascience:image", "src/models/diabetes:image"]


def test_uncommitted_work_is_never_named_after_a_commit(workshop: Workshop) -> None:
    commit = workshop.commit()
    workshop.append("src/models/iris/features.py", "# Not committed yet.\n")
    workshop.package(IMAGES[IRIS])
    loose = workshop.inspect(IRIS)
    assert commit not in workshop.refs(IRIS)
    assert loose["Config"]["Labels"]["org.opencontainers.image.revision"] == f"{commit}+changes"
    committed = workshop.commit()
    workshop.package(IMAGES[IRIS])
    named = workshop.inspect(f"{IRIS}:{committed}")
    assert named["Config"]["Labels"]["org.opencontainers.image.revision"] == committed
    assert named["RootFS"]["Layers"] == loose["RootFS"]["Layers"]


def test_an_image_is_published_once_and_later_commits_name_it(
    workshop: Workshop, tmp_path: Path
) -> None:
    commits = [workshop.commit()]
    with DockerRegistry(SECRET) as registry:
        known = {"own": {"address": registry.host, "default": True}}
        publish = ("publish", IMAGES[IRIS])
        env = {"DOCKER_CONFIG": str(tmp_path), "PANTS_DOCKER_REGISTRIES": str(known)}
        refused = workshop.pants(*publish, code=1, env=env)
        assert f"permission to push: docker login {registry.host}" in refused.err
        registry.log_in(tmp_path, workshop.engine.env)
        first = workshop.pants(*publish, env=env)
        assert SECRET not in first.out + first.err
        names = workshop.inspect(f"{IRIS}:{commits[0]}")["RepoTags"]
        (content,) = {name.rpartition(":")[2] for name in names if ":content-" in name}
        tags = (content, commits[0], "latest")
        (digest,) = {registry.digest(IRIS, tag) for tag in tags}
        for tag in tags:
            assert f" {registry.host}/{IRIS}:{tag} {digest}\n" in first.out
        before = len(registry.requests())
        assert workshop.pants(*publish, env=env).out.count("already there ") == 3
        assert registry.writes(before) == []
        commits.append(workshop.commit())
        assert commits[0] != commits[1]
        before = len(registry.requests())
        workshop.pants(*publish, env=env)
        assert registry.writes(before) == [f"PUT /v2/{IRIS}/manifests/{commits[1]}"]
        assert registry.digest(IRIS, commits[1]) == digest


def digest_of(folder: Path) -> str:
    """What a packed package holds, by names and bytes."""
    told = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        told.update(str(path.relative_to(folder)).encode())
        if path.is_file():
            told.update(path.read_bytes())
    return told.hexdigest()


def test_another_clone_with_empty_caches_makes_the_same_bytes(
    workshop: Workshop, tmp_path: Path
) -> None:
    # An image bears the first commit that made it.
    workshop.append("src/models/iris/pipeline.py", "# For both clones.\n")
    commit = workshop.commit()
    workshop.package(IMAGES[IRIS], "src/models/iris:predict")
    expected = workshop.inspect(f"{IRIS}:{commit}")["Id"]
    pex = digest_of(workshop.root / "dist/src.models.iris/predict.pex")
    clone = tmp_path / "another folder" / "clone"
    subprocess.run(["git", "clone", "-q", workshop.root, clone], check=True)
    # What is in the engine would be taken as it is.
    for repository in (IRIS, THIRD_PARTY):
        for tag in workshop.refs(repository):
            workshop.docker("rmi", "--force", f"{repository}:{tag}")
    other = Workshop(clone, workshop.engine, workshop.base)
    caches = {
        "PANTS_LOCAL_STORE_DIR": str(tmp_path / "store"),
        "PANTS_NAMED_CACHES_DIR": str(tmp_path / "named"),
        "PANTS_PANTSD": "false",
    }
    other.pants("package", IMAGES[IRIS], "src/models/iris:predict", env=caches)
    assert digest_of(clone / "dist/src.models.iris/predict.pex") == pex
    assert other.inspect(f"{IRIS}:{commit}")["Id"] == expected


def test_sigterm_ends_a_prediction_with_143_and_nothing_half_written(
    workshop: Workshop, trained: Path
) -> None:
    rows = trained / "many.csv"
    header, *flowers = FLOWERS.splitlines()
    with rows.open("w") as file:
        file.write(f"{header}\n")
        for _ in range(2_000_000):
            file.write(f"{flowers[0]}\n{flowers[1]}\n")
    (trained / "out.csv").write_text("the earlier output\n")
    place = (f"--volume={trained}:{trained}", f"--workdir={trained}")
    task = ("models.iris.predict", "--input", "many.csv", "--output", "out.csv")
    options = [option for option in LOCKED_DOWN if option != "--rm"]
    name = workshop.docker("run", "--detach", *options, *place, IRIS, *task).strip()
    try:
        wait_until_written(trained)
        workshop.docker("kill", f"--signal={int(signal.SIGTERM)}", name)
        assert workshop.docker("wait", name).strip() == "143"
    finally:
        workshop.docker("rm", "--force", name)
    assert (trained / "out.csv").read_text() == "the earlier output\n"
    assert not [path.name for path in trained.iterdir() if "out" in path.name][1:]


def wait_until_written(folder: Path) -> None:
    """Until something lies beside the output that is not it yet."""
    deadline = time.monotonic() + 60
    while not [path for path in folder.rglob("*out.csv*") if path.name != "out.csv"]:
        assert time.monotonic() < deadline, "waited a minute in vain"
        time.sleep(0.05)


def test_a_version_of_another_image_is_refused_and_the_image_that_fits_is_named(
    workshop: Workshop, trained: Path
) -> None:
    workshop.commit()
    workshop.package(IMAGES[IRIS])
    (of_version,) = (tag for tag in workshop.inspect(IRIS)["RepoTags"] if ":content-" in tag)
    work = trained.parent / "versions"
    work.mkdir()
    work.chmod(0o777)
    shutil.copy(trained / "flowers.csv", work)
    workshop.run(of_version, work, "models.iris.train")
    pipeline = workshop.root / "src/models/iris/pipeline.py"
    workshop.append("src/models/iris/pipeline.py", "\nANOTHER = 1\n")
    workshop.package(IMAGES[IRIS])
    place = (f"--volume={work}:{work}", f"--workdir={work}")
    task = ("models.iris.predict", "--input", "flowers.csv", "--output", "species.csv")
    refused = workshop.engine.docker("run", *LOCKED_DOWN, *place, IRIS, *task)
    assert refused.code == 1
    assert "the model's code has changed: " in refused.err
    assert f"run the image it was trained with: {of_version}" in refused.err
    assert not (work / "species.csv").exists()
    workshop.run(of_version, work, *task)
    assert (work / "species.csv").exists()
    pipeline.write_text(pipeline.read_text().replace("\nANOTHER = 1\n", ""))


def test_without_an_engine_one_message_says_what_to_do(workshop: Workshop) -> None:
    failed = workshop.pants(
        "package", IMAGES[IRIS], code=1, env={"DOCKER_HOST": "unix:///nowhere/docker.sock"}
    )
    assert "No Docker engine is running. Start one" in failed.err
    assert "--filter-target-type=-model_image" in failed.err


def test_a_full_disk_is_one_message_and_nothing_half_made(
    workshop: Workshop, tmp_path: Path
) -> None:
    base = tmp_path / "base.tar"
    workshop.docker("save", f"--output={base}", workshop.base)
    # Room for the base; the third-party packages alone are hundreds of megabytes.
    with DockerEngine(disk="150m") as engine:
        if not engine.is_own:
            pytest.skip("NOT TESTED: the disk of somebody else's engine is not ours to fill")
        small = Workshop(workshop.root, engine, workshop.base)
        small.docker("load", f"--input={base}")
        failed = small.pants("package", IMAGES[IRIS], code=1)
        assert "no space left on device" in failed.err
        assert "A disk is full: the engine's, this machine's, or the registry's." in failed.err
        assert "Traceback" not in failed.err
        assert small.refs(IRIS) == small.refs(THIRD_PARTY) == set()
        engine.resize_disk("4g")
        small.package(IMAGES[IRIS])
        assert "latest" in small.refs(IRIS)


def test_without_a_base_image_one_message_says_how_to_make_one(workshop: Workshop) -> None:
    # A name that no resolver knows: nothing outside this machine is asked.
    failed = workshop.pants(
        "package",
        IMAGES[IRIS],
        code=1,
        env={"PANTS_IMAGES_BASE_IMAGE": "registry.invalid/base:none"},
    )
    assert "Could not pull registry.invalid/base:none" in failed.err
    assert "./pants run docker/base:debian" in failed.err


def test_the_commands_of_the_documentation_work(workshop: Workshop, trained: Path) -> None:
    text = (ROOT / "docker/README.md").read_text()
    blocks = re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    shown = [line for line in lines if line.startswith("docker run")]
    assert shown
    workshop.package(*IMAGES.values())
    for line in shown:
        started = start("bash", "-c", line, cwd=trained, env=workshop.engine.env)
        result = Result.of(started, timeout=600)
        assert result.code == 0, (line, result.out, result.err)
