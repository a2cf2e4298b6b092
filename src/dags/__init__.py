"""DAGs for Airflow, made from what the models declare in their `dag.toml`."""
