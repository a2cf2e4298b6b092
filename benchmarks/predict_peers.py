"""The peers of predict.py and throughput.py, run as `-m predict_peers WHAT …`.

Heavy imports are inside of functions, because predict.py imports this module, and the memory of a
process counts for its child until the child's program is loaded.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import pandas as pd
    from pandera.typing import DataFrame

CHUNK_ROWS = 1 << 17
NOISE_CM = 0.05
SEED = 0


def flowers(rows: str, path: str) -> None:
    """Write noisy flowers as Parquet or CSV, by the file's suffix."""
    from data_access_layer.files import format_of
    from data_access_layer.formats.writer import TableWriter

    with TableWriter(path, format=format_of(Path(path))) as writer:
        for chunk in _flowers(int(rows)):
            writer.write(chunk)


def _flowers(rows: int) -> Iterator[pd.DataFrame]:
    """The 150 real flowers, drawn with seeded noise and rounded to 0.1 mm."""
    import numpy as np
    import pandas as pd

    from models.iris.dataset import load_flowers
    from models.iris.definition import MODEL

    real = load_flowers()[MODEL.input_columns()]
    random = np.random.default_rng(SEED)
    for start in range(0, rows, CHUNK_ROWS):
        count = min(CHUNK_ROWS, rows - start)
        drawn = real.to_numpy()[random.integers(len(real), size=count)]
        noisy = (drawn + random.normal(0, NOISE_CM, drawn.shape)).clip(0.01).round(2)
        yield pd.DataFrame(noisy, columns=real.columns)


def areas(rows: pd.DataFrame) -> pd.DataFrame:
    """`flower_features` without its contracts."""
    return rows.assign(
        petal_area_cm2=rows["petal_length_cm"] * rows["petal_width_cm"],
        sepal_area_cm2=rows["sepal_length_cm"] * rows["sepal_width_cm"],
    )


def bare_model() -> Any:
    """The champion of iris, without checks of its features' contracts."""
    from sklearn.preprocessing import FunctionTransformer

    from config.tracking import TrackingSettings
    from modelling.registry.find_version import load_model
    from modelling.registry.mlflow_registry import Registry
    from models.iris.definition import MODEL

    _, model = load_model(MODEL, Registry.connect(TrackingSettings.load()))
    few = next(iter(_flowers(1_000)))
    checked = MODEL.predict(model, cast("DataFrame[Any]", few))
    model.set_params(features=FunctionTransformer(areas))
    expected = checked.filter(like="probability_").to_numpy()
    if not (model.predict_proba(few) == expected).all():
        raise AssertionError("The bare pipeline does not predict what the model predicts.")
    return model


def time_prediction(model: Any, frames: list[pd.DataFrame]) -> None:
    """Print the time to predict frames in memory, one after the other."""
    wall, cpu = time.perf_counter(), time.process_time()
    for frame in frames:
        probabilities = model.predict_proba(frame)
        model.classes_.take(probabilities.argmax(axis=1))
    print(json.dumps({"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}))


def bare(path: str) -> None:
    """One `predict_proba` of the champion on the whole frame; only that call is timed.

    The frame is in memory before, and nothing is checked or written after.
    """
    import pandas as pd

    model = bare_model()
    frame = pd.read_parquet(path)
    time_prediction(model, [frame])


def batches(path: str, rows: str) -> None:
    """The same call on batches in memory, as large as those of the command."""
    import pandas as pd

    from modelling.settings import PredictSettings

    model = bare_model()
    frame = pd.read_parquet(path)
    size = PredictSettings().batch_rows
    parts = [frame.iloc[start : start + size] for start in range(0, int(rows), size)]
    time_prediction(model, parts)


class Clocks:
    """Processor time by stage; the time of a nested stage does not count for the outer one.

    Attributes:
        started: the wall time and the process' processor time at the start of the first timer.
    """

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}
        self.started: tuple[float, float] | None = None
        self._open = threading.local()

    def around(self, owner: Any, name: str, stage: str) -> None:
        """Time a function of `owner`."""
        function = getattr(owner, name)

        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.running(stage):
                return function(*args, **kwargs)

        setattr(owner, name, timed)

    def around_items(self, owner: Any, name: str, stage: str) -> None:
        """Time the iterator that a function of `owner` returns."""
        function = getattr(owner, name)

        def timed(*args: Any, **kwargs: Any) -> Iterator[Any]:
            items = function(*args, **kwargs)
            while True:
                with self.running(stage):
                    item = next(items, None)
                if item is None:
                    return
                yield item

        setattr(owner, name, timed)

    @contextmanager
    def running(self, stage: str) -> Iterator[None]:
        """Time a block by the thread's clock, without other threads and without waiting."""
        self.started = self.started or (time.perf_counter(), time.process_time())
        within: list[float] = self._open.__dict__.setdefault("within", [])
        within.append(0.0)
        start = time.thread_time()
        try:
            yield
        finally:
            took = time.thread_time() - start
            self.spent[stage] = self.spent.get(stage, 0.0) + took - within.pop()
            if within:
                within[-1] += took


def stages(source: str, output: str) -> None:
    """Run the command with timers for each kind of work."""
    from pandera.api.pandas.container import DataFrameSchema
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.preprocessing import FunctionTransformer

    from data_access_layer.formats.writer import TableWriter
    from data_access_layer.tables.files import TableFile
    from models import predict

    clocks = Clocks()
    clocks.around_items(TableFile, "batches", "read")
    clocks.around(DataFrameSchema, "validate", "contracts")
    clocks.around(FunctionTransformer, "transform", "features")
    clocks.around(RandomForestClassifier, "predict_proba", "model")
    clocks.around(TableWriter, "write", "write")
    clocks.around(TableWriter, "__exit__", "write")
    run_to_its_end(predict.main, source, output)
    order = ("read", "contracts", "features", "model", "write")
    print(json.dumps({stage: clocks.spent[stage] for stage in order}))


def run_to_its_end(main: Callable[..., Any], source: str, output: str) -> None:
    try:
        main("models.iris.definition", argv=["--input", source, "--output", output])
    except SystemExit as end:
        if end.code:
            raise


def checks(source: str, output: str) -> None:
    """Run the command with a timer around every pandera validation."""
    from pandera.api.pandas.container import DataFrameSchema

    from models import predict

    clocks = Clocks()
    clocks.around(DataFrameSchema, "validate", "contracts")
    run_to_its_end(predict.main, source, output)
    assert clocks.started
    wall, cpu = clocks.started
    took = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    print(json.dumps({**took, "checks_cpu": clocks.spent["contracts"]}))


if __name__ == "__main__":
    peers: dict[str, Callable[..., None]] = {
        "bare": bare,
        "batches": batches,
        "checks": checks,
        "flowers": flowers,
        "stages": stages,
    }
    peers[sys.argv[1]](*sys.argv[2:])
