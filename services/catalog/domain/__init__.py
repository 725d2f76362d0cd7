"""The rules of catalog, pure: values in, values out, no clock and no I/O."""
