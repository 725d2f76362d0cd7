"""What the clients' packages repeat of the project: its release, from pyproject.toml, and its license."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tools.stack.config import ROOT

_PYTHON: Final = ROOT / "libs/whale-python"
_JS: Final = ROOT / "libs/whale-js"
_WRITTEN: Final = "The release; written by `make docs` from the project's pyproject.toml."


def release() -> str:
    """The project's release, such as `0.1.0`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    version: str = project["version"]
    return version


def copies() -> Mapping[Path, str]:
    """The content of each file that repeats the release or the license, by path."""
    version = release()
    package_license = (ROOT / "LICENSE").read_text()
    return {
        _PYTHON / "src/whale_loyalty/_version.py": (
            f'"""{_WRITTEN}"""\n\n__version__ = "{version}"\n'
        ),
        _JS / "src/version.ts": f'/** {_WRITTEN} */\nexport const VERSION = "{version}";\n',
        _JS / "package.json": _with_version(_JS / "package.json", version),
        _JS / "package-lock.json": _with_version(_JS / "package-lock.json", version),
        _PYTHON / "LICENSE": package_license,
        _JS / "LICENSE": package_license,
    }


def _with_version(path: Path, version: str) -> str:
    """The JSON of npm's file, in npm's format, with this version of the package itself."""
    document: dict[str, Any] = json.loads(path.read_text())
    document["version"] = version
    if "packages" in document:
        document["packages"][""]["version"] = version
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
