"""What the services share: schemas and technical parts, no business rules."""
