"""The index of the redemptions of a reward, without refused attempts: how often a reward was used."""

from libs.persistence import ddl

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    ddl.create_index(
        "redemptions_reward",
        "ON redemptions (store_id, reward_id, id) WHERE status <> 'released'",
    )
