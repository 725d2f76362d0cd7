"""The dashboard: pages for the person who looks after a loyalty program."""
