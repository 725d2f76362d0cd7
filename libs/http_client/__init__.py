"""HTTP calls between the services of this system."""
