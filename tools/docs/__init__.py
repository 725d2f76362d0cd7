"""The generated reference: OpenAPI, AsyncAPI, event schemas, metrics and settings."""
