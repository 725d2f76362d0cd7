"""What the search for secrets finds in logs and in the output of tests, and what it does not repeat."""

import secrets
from pathlib import Path

from tests import secrecy
from tools.stack import config

KEY = f"wk_test_{secrets.token_urlsafe(32)}"


def test_keys_and_secrets_in_logs_are_found_by_line_and_name(tmp_path: Path) -> None:
    stack = config.stack_secrets(tmp_path)
    secrecy.keep_stack_secrets(tmp_path)
    lines = ["{}", KEY, stack.password_of("earning"), stack.redis_password, "wk_test_…"]
    (tmp_path / "gateway.log").write_text("\n".join(lines))
    (tmp_path / "earning.log.1").write_text(stack.internal_token)
    places = secrecy.find_in_logs(tmp_path)
    assert sorted(places) == [
        "earning.log.1:1: internal_token",
        "gateway.log:2: an API key",
        "gateway.log:3: the password of earning",
        "gateway.log:4: redis_password",
    ]


def test_output_may_contain_keys_that_a_test_made_up_and_none_that_it_created() -> None:
    assert secrecy.find_in_text(f"Bearer {KEY}") == []
    secrecy.keep_key(KEY)
    assert secrecy.find_in_text(f"Bearer {KEY}") == ["an API key"]
