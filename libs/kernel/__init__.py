"""The lowest layer: ids, time, errors and settings, without I/O or frameworks."""
