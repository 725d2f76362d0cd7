"""The rules of redemption, pure: values in, values out, no clock, no randomness and no I/O."""
