from __future__ import annotations

import pytest

from cli.errors import InputError, SettingsError, UserError


def test_a_settings_error_carries_what_its_message_says() -> None:
    error = SettingsError("seed", "settings.toml, [train]", "expected a number, got 'x'.")
    assert str(error) == "settings.toml, [train]: seed: expected a number, got 'x'."
    assert (error.key, error.source) == ("seed", "settings.toml, [train]")


@pytest.mark.parametrize(
    ("error", "code"),
    [(UserError("full"), 1), (InputError("bad"), 2), (SettingsError("seed", "here", "bad"), 2)],
)
def test_bad_input_exits_with_2_and_all_else_with_1(error: UserError, code: int) -> None:
    assert error.exit_code == code
