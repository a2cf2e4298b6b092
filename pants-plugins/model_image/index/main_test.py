from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from model_image import index

USAGE = """\
usage: docker run IMAGE TASK [OPTIONS]

tasks:
  models.iris.predict  Predict species.
  models.iris.train
  models.lost

`TASK --help` lists the options of one.
"""


def test_an_image_lists_its_tasks_without_importing_them(tmp_path: Path) -> None:
    files = {
        "tasks/tasks.txt": "models.iris.predict\nmodels.iris.train\nmodels.lost",
        "models/__init__.py": "",
        "models/iris/__init__.py": "",
        "models/iris/predict.py": '"""Predict species.\n\nMore."""\nraise SystemExit("imported")\n',
        "models/iris/train.py": "raise SystemExit('imported')\n",
    }
    for file in Path(index.__file__).parent.glob("*.py"):
        files[f"tasks/{file.name}"] = file.read_text()
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "tasks"],
        env={"PYTHONPATH": str(tmp_path), "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == USAGE
