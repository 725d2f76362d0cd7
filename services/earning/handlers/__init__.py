"""The use cases of earning: short functions of a request or event and its dependencies."""
