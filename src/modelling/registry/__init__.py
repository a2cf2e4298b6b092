"""MLflow: runs, versions, the champion, and which code may load it."""
