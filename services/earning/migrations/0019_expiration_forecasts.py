"""The forecasts of the points of stores that expire, each with the pass that renews it."""

from libs.persistence import ddl

revision = "0019"
down_revision = "0018"

# `days` is the forecast as of `as_of`, which is null before the first one and where nothing can expire.
# The pass, which began at `began_at`, has added the accounts up to the customer `place` to `sums`. Its next slice,
# or the next pass, is read at `next_at`: in real time, while all others are on the store's clock.
_FORECASTS = """
CREATE TABLE expiration_forecasts (
    store_id  text COLLATE "C" PRIMARY KEY,
    as_of     timestamptz(3),
    days      jsonb NOT NULL DEFAULT '[]',
    next_at   timestamptz NOT NULL DEFAULT '-infinity',
    began_at  timestamptz(3),
    place     text COLLATE "C" NOT NULL DEFAULT '',
    sums      jsonb NOT NULL DEFAULT '[]'
);
GRANT SELECT, INSERT, UPDATE ON expiration_forecasts TO earning;
"""


def upgrade() -> None:
    ddl.execute(_FORECASTS)
