from __future__ import annotations

from skipped_tests import report


def rules():
    return report.rules()
