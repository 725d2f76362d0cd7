"""The bottom of the house: ids, time, errors and settings, free of I/O and frameworks."""
