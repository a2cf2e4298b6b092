from __future__ import annotations

from init_files import rules as init_files_rules


def rules():
    return init_files_rules.rules()
