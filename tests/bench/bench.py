"""What every benchmark gets."""

from msgspec import Struct

from tests.bench.cpu import Meter
from tests.bench.display import Display
from tests.bench.sizes import Sizes
from tests.support import Stack


class Bench(Struct, frozen=True):
    """Servers of its own, the sizes of the run, and where it prints."""

    stack: Stack
    sizes: Sizes
    display: Display

    def meter(self, *pids: int) -> Meter:
        """A meter of these processes and of the servers."""
        return Meter(self.stack, list(pids))
