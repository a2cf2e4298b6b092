from __future__ import annotations

from remote_cache import report


def rules():
    return report.rules()
