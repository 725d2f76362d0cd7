"""The rules of anomaly, pure: values in, values out, no clock and no I/O."""
