"""Points that expire and points that wait: the settings of programs, what time changes of an account, and
what entries note about it.

Nothing is filled in: an account without a cycle, and an entry without notes, are complete. All columns stay
null in stores that set none of it.
"""

from libs.persistence import ddl

revision = "0015"
down_revision = "0014"

# `has_lifecycle`: some version of the program had points expire or wait, and it never becomes false again.
_PROGRAMS = """
ALTER TABLE programs ADD COLUMN has_lifecycle boolean NOT NULL DEFAULT false;
ALTER TABLE program_versions
    ADD COLUMN time_zone text,
    ADD COLUMN expiry jsonb,
    ADD COLUMN remind_days jsonb,
    ADD COLUMN pending jsonb;
"""

# Described in services/earning/domain/cycles.py and entry_lots.py. `due_at` is never later than the instant at
# which something is due.
_ACCOUNTS = "ALTER TABLE accounts ADD COLUMN cycle bytea, ADD COLUMN due_at timestamptz(3);\n"

# An entry may change the pending points alone, or claw back points that had expired. `verify` reports any other
# entry of 0 points: a constraint would have to read the whole ledger first.
_ENTRIES = """
ALTER TABLE entries
    ADD COLUMN lots text,
    ADD COLUMN pending bigint,
    ADD COLUMN covered bigint,
    ADD COLUMN available_at timestamptz(3);
ALTER TABLE entries DROP CONSTRAINT entries_points_check;
"""

# The orders whose points waited: `sequence` is the entry that says so, which the order names, and `earn_sequence`
# the one that made them available. `wait_on` is the day whose end ends the wait; null once it is over.
_PENDING = """
CREATE TABLE pending_awards (
    store_id              text COLLATE "C" NOT NULL,
    order_id              text COLLATE "C" NOT NULL,
    account_id            bigint NOT NULL,
    sequence              bigint NOT NULL,
    earn_sequence         bigint,
    points                bigint NOT NULL CHECK (points >= 0),
    given_up              bigint NOT NULL CHECK (given_up >= 0),
    days                  integer NOT NULL,
    wait_on               date,
    release_at            timestamptz(3),
    awaits_fulfillment    boolean NOT NULL,
    PRIMARY KEY (store_id, order_id)
);
CREATE INDEX pending_awards_account ON pending_awards (account_id, wait_on) WHERE wait_on IS NOT NULL;
GRANT SELECT, INSERT, UPDATE ON pending_awards TO earning;
"""


def upgrade() -> None:
    ddl.execute(_PROGRAMS, _ACCOUNTS, _ENTRIES, _PENDING)
