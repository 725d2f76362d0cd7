"""Colors stand out from their background: WCAG 2's contrast, computed from the style sheet."""

import re
from pathlib import Path

import pytest

from libs.web.templates import ASSETS

_TOKEN = re.compile(r"--([a-z-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);")
TOKENS = {
    name: (light, dark) for name, light, dark in _TOKEN.findall((ASSETS / "tokens.css").read_text())
}
SURFACES = ("background", "surface", "raised", "subtle")
TEXT, MARK = 4.5, 3.0
PAIRS = [
    *((color, surface, TEXT) for color in ("text", "muted") for surface in SURFACES),
    *(
        (color, surface, TEXT)
        for color in ("text", "accent")
        for surface in ("surface", "selected")
    ),
    *((color, f"{color}-tint", TEXT) for color in ("good", "warn", "bad")),
    *(("text", f"{color}-tint", TEXT) for color in ("good", "warn", "bad", "info")),
    ("accent", "info-tint", TEXT),
    *(("on-fill", color, TEXT) for color in ("accent", "bad")),
    *(("control", surface, MARK) for surface in SURFACES),
    *(
        (color, "surface", MARK)
        for color in ("issued", "redeemed", "clawed-back", "outstanding", "expired")
    ),
]


def luminance(color: str) -> float:
    channels = (int(color[start : start + 2], 16) / 255 for start in (1, 3, 5))
    red, green, blue = (
        one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("color", "surface", "least"), PAIRS)
def test_a_color_stands_out(color: str, surface: str, least: float, theme: int) -> None:
    assert contrast(TOKENS[color][theme], TOKENS[surface][theme]) >= least


def test_every_color_of_the_style_sheets_is_a_token() -> None:
    folder = Path(__file__).parents[3] / "services/dashboard/assets"
    style = (folder / "dashboard.css").read_text()
    used = set(re.findall(r"var\(--([a-z0-9-]+)\)", style))
    defined = set(re.findall(r"--([a-z0-9-]+):", (ASSETS / "tokens.css").read_text()))
    # A chart's own, set to one of the tokens.
    defined.add("series")
    assert used - defined == set()
    # A dialog dims what is behind it.
    assert re.findall(r"#[0-9a-f]{3,8}\b", style) == ["#0009"]


def test_a_page_stays_small() -> None:
    folder = Path(__file__).parents[3] / "services/dashboard/assets"
    style = sum(
        len(sheet.read_bytes())
        for sheet in (folder / "dashboard.css", ASSETS / "shared.css", ASSETS / "tokens.css")
    )
    assert style <= 32 * 1024
    assert len((folder / "dashboard.js").read_bytes()) <= 12 * 1024
