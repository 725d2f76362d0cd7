"""The rules of redemption, pure: values in, values out, no clock and no I/O."""
