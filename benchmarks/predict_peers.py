"""The processes that predict.py starts beside the real command: `python -m predict_peers WHAT ...`.

Heavy imports are made late: predict.py imports this module, and the memory of a process that starts
another counts as that one's own until it is replaced.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import pandas as pd
    from pandera.typing import DataFrame

CHUNK_ROWS = 1 << 17
NOISE_CM = 0.05
SEED = 0


def flowers(rows: str, path: str) -> None:
    """The 150 real flowers, drawn with seeded noise, to a tenth of a millimetre."""
    import numpy as np
    import pandas as pd

    from data_access_layer.writer import TableWriter
    from models.iris.dataset import load_flowers
    from models.iris.definition import MODEL

    real = load_flowers()[MODEL.input_columns()]
    random = np.random.default_rng(SEED)
    with TableWriter(path, format="parquet") as writer:
        for start in range(0, int(rows), CHUNK_ROWS):
            count = min(CHUNK_ROWS, int(rows) - start)
            drawn = real.to_numpy()[random.integers(len(real), size=count)]
            noisy = (drawn + random.normal(0, NOISE_CM, drawn.shape)).clip(0.01).round(2)
            writer.write(pd.DataFrame(noisy, columns=real.columns))


def areas(rows: pd.DataFrame) -> pd.DataFrame:
    """What `flower_features` computes, without its contracts."""
    return rows.assign(
        petal_area_cm2=rows["petal_length_cm"] * rows["petal_width_cm"],
        sepal_area_cm2=rows["sepal_length_cm"] * rows["sepal_width_cm"],
    )


def bare(path: str) -> None:
    """One `predict_proba` of the champion on the whole frame; only that call is timed.

    The frame is in memory before, and nothing is checked or written after.
    """
    import pandas as pd
    from sklearn.preprocessing import FunctionTransformer

    from config.tracking import TrackingSettings
    from models.iris.definition import MODEL
    from models.loading import load_model
    from models.tracking import Registry

    _, model = load_model(MODEL, Registry.connect(TrackingSettings.load()))
    frame = pd.read_parquet(path)
    checked = MODEL.predict(model, cast("DataFrame[Any]", frame.head(1000)))
    model.set_params(features=FunctionTransformer(areas))
    expected = checked.filter(like="probability_").to_numpy()
    if not (model.predict_proba(frame.head(1000)) == expected).all():
        raise AssertionError("The bare pipeline does not predict what the model predicts.")
    wall, cpu = time.perf_counter(), time.process_time()
    probabilities = model.predict_proba(frame)
    model.classes_.take(probabilities.argmax(axis=1))
    print(json.dumps({"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}))


def checks(source: str, output: str) -> None:
    """The command, with a clock around every pandera validation."""
    from pandera.api.pandas.container import DataFrameSchema

    from models import predict

    validate: Any = DataFrameSchema.validate
    spent: list[float] = []
    started: list[tuple[float, float]] = []

    def timed(*args: object, **kwargs: object) -> object:
        if not started:
            started.append((time.perf_counter(), time.process_time()))
        # The thread's own clock: neither another thread's work nor waiting for a core counts.
        start = time.thread_time()
        try:
            return validate(*args, **kwargs)
        finally:
            spent.append(time.thread_time() - start)

    DataFrameSchema.validate = timed  # type: ignore[method-assign, assignment]
    try:
        predict.main("models.iris.definition", argv=["--input", source, "--output", output])
    except SystemExit as end:
        if end.code:
            raise
    wall, cpu = started[0]
    took = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    print(json.dumps({**took, "checks_cpu": sum(spent)}))


if __name__ == "__main__":
    peers: dict[str, Callable[..., None]] = {"flowers": flowers, "bare": bare, "checks": checks}
    peers[sys.argv[1]](*sys.argv[2:])
