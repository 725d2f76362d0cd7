"""The settings of anomaly, from its environment."""

from libs.kernel.owner_settings import OwnerSettings


class Settings(OwnerSettings, frozen=True, kw_only=True):
    # The parts that this process runs, so that they can be scaled separately.
    roles: frozenset[str] = frozenset({"api", "consumers", "relay"})
