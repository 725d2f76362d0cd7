"""The command line: the local stack, the demo, and what operators need."""
