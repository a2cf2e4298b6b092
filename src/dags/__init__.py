"""Airflow DAGs, built from the models' declarations in `dag.toml`."""
