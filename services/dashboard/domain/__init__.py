"""Rules of display: formats, buckets, the geometry of charts, keys; pure."""
