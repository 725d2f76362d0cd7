"""The local stack: real servers and the services, under one supervisor."""
