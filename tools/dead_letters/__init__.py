"""`dead-letters`: list, show, replay and drop records that no consumer could process."""
