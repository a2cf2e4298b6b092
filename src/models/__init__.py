"""The models, one package each, and beside them what they share: tasks, MLflow wiring, metrics."""
