"""The release; written by `make docs` from the project's pyproject.toml."""

__version__ = "0.1.0"
