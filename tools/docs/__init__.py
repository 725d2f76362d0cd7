"""The reference, generated: OpenAPI, AsyncAPI, event schemas, metrics and settings."""
