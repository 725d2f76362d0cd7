"""An error of PostgreSQL's address says what to correct."""

import ssl

import asyncpg
import pytest

from tools.stack.postgres import _explain_refusal

URL = "postgresql://dba:x@db.internal:5432/postgres"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(
            ssl.SSLCertVerificationError("certificate is not valid for 'db.internal'"),
            "db.internal:5432 has no certificate that NAME accepts",
            id="a certificate, whose error is a ValueError",
        ),
        pytest.param(
            asyncpg.InvalidAuthorizationSpecificationError("no pg_hba.conf entry, no encryption"),
            "Allow it in pg_hba.conf, or correct the role or the sslmode in NAME.",
            id="TLS is missing",
        ),
        pytest.param(
            ValueError("the file does not exist\nHINT: provide it"),
            "NAME: the file does not exist. Write postgresql://",
            id="the file of the authorities is missing",
        ),
    ],
)
def test_an_error_says_what_to_correct(error: Exception, expected: str) -> None:
    explanation = _explain_refusal(error, URL, "NAME")
    assert expected in explanation
    assert "\n" not in explanation
