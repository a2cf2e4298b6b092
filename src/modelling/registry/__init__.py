"""MLflow: runs, versions, the champion, and which code can load it."""
