"""The rules of earning, pure: values in, values out, no clock and no I/O."""
