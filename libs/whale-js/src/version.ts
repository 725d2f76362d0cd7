/** The release; written by `make docs` from the project's pyproject.toml. */
export const VERSION = "0.1.0";
