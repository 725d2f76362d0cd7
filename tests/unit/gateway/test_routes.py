"""The error of a path that does not exist."""

import pytest

from libs.contracts.operations import OPERATIONS
from services.gateway.api.routes import methods_of, no_such_path


@pytest.mark.parametrize(
    ("path", "nearest"),
    [
        pytest.param("loyalty/reward", "loyalty/rewards", id="singular"),
        pytest.param("loyalty/transactons", "loyalty/transactions", id="a letter missing"),
        pytest.param("loyalty/customer/cust_1", "loyalty/customers/{id}", id="with an id"),
        pytest.param(
            "loyalty/redemption/rdm_1/use", "loyalty/redemptions/{id}/use", id="behind an id"
        ),
        pytest.param("earn", "loyalty/earn", id="without its first step"),
        pytest.param("customers/cust_1", "loyalty/customers/{id}", id="the same with an id"),
        pytest.param("loyalty/programs", "loyalty-programs", id="a slash for a hyphen"),
        pytest.param("store/me/loyalty/earn", "loyalty/earn", id="another way to the store"),
    ],
)
def test_a_wrong_path_is_refused_with_the_path_that_was_meant(path: str, nearest: str) -> None:
    assert methods_of(tuple(path.split("/"))) is None
    assert f"Did you mean /v1/stores/me/{nearest}?" in no_such_path(path.split("/"))


@pytest.mark.parametrize(
    "path",
    ["nope", "", "loyalty/earn/tomorrow", "loyalty/pionts", "x" * 10_000, "loyalty/" * 2_000],
)
def test_a_path_like_no_other_is_refused_with_the_api_reference(path: str) -> None:
    text = no_such_path(path.split("/"))
    assert "Did you mean" not in text
    assert "/docs" in text


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.id)
def test_every_path_is_nearest_to_itself(operation: object) -> None:
    path = operation.path  # type: ignore[attr-defined]
    assert f"Did you mean /v1/stores/me/{path}?" in no_such_path(path.split("/"))
