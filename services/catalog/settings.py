"""The settings of catalog, from its environment."""

from libs.kernel.owner_settings import OwnerSettings


class Settings(OwnerSettings, frozen=True, kw_only=True):
    # The addresses of earning, to warn of a reward that requires a tier which no program has. Without
    # them, nothing is warned of.
    earning_url: tuple[str, ...] = ()
    # A change of a reward waits for this warning no longer than this.
    peer_timeout_seconds: float = 2.0
    # The parts that this process runs, so that they can be scaled separately.
    roles: frozenset[str] = frozenset({"api", "consumers", "relay"})
