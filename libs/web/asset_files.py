"""Style sheets, scripts and images, each under the hash of its content and compressed once."""

import gzip
import hashlib
from collections.abc import Mapping
from typing import Final

from litestar import Response
from msgspec import Struct

_IMMUTABLE: Final = "public, max-age=31536000, immutable"
_MEDIA_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
}


class Asset(Struct, frozen=True):
    """A file as it is served: its name with the hash, and its content as it is and as gzip."""

    name: str
    media_type: str
    content: bytes
    compressed: bytes


class Assets:
    """The files of a set of pages, by name; `prefix` is the path that they are served at."""

    def __init__(self, prefix: str, files: Mapping[str, bytes]) -> None:
        self._prefix = prefix
        self._by_name = {name: _asset(name, content) for name, content in files.items()}
        self._by_served_name = {asset.name: asset for asset in self._by_name.values()}

    def url(self, name: str) -> str:
        """The address of a file. It changes with the content."""
        return f"{self._prefix}/{self._by_name[name].name}"

    def find(self, served_name: str) -> Asset | None:
        return self._by_served_name.get(served_name)


def asset_response(asset: Asset, accept_encoding: str) -> Response[bytes]:
    """The file, compressed where the browser can read that."""
    headers = {"Cache-Control": _IMMUTABLE, "Vary": "Accept-Encoding"}
    if "gzip" in accept_encoding:
        return Response(
            asset.compressed,
            media_type=asset.media_type,
            headers={**headers, "Content-Encoding": "gzip"},
        )
    return Response(asset.content, media_type=asset.media_type, headers=headers)


def _asset(name: str, content: bytes) -> Asset:
    stem, _, ending = name.rpartition(".")
    digest = hashlib.sha256(content).hexdigest()[:12]
    return Asset(
        name=f"{stem}.{digest}.{ending}",
        media_type=_MEDIA_TYPES[ending],
        content=content,
        # Without a time, so that every process serves the same bytes.
        compressed=gzip.compress(content, mtime=0),
    )
