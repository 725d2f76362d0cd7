"""Where in the entries of an account its status changed, so that its dates can be derived again.

Of earlier changes the time alone is known. Before the lifecycle of points that is enough, since a suspension
changed no date.
"""

from libs.persistence import ddl

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    # The last entry before the change.
    ddl.execute("ALTER TABLE status_changes ADD COLUMN sequence bigint")
