"""Texts of pages: one .po file, whose msgids are keys such as `anomaly.void.effect`."""

from io import BytesIO
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations


def load_texts(path: Path) -> Translations:
    """The texts of a .po file. The text of an unknown key is the key."""
    with path.open("rb") as file:
        catalog = read_po(file, locale=path.stem, abort_invalid=True)
    compiled = BytesIO()
    write_mo(compiled, catalog)
    compiled.seek(0)
    return Translations(compiled)
