"""What operators need after they restored the databases from a backup."""
