"""The command line: the local stack, the demo, and commands for operators."""
