"""The API's operations: one function each, from its arguments to a request.

Both clients take their methods' names, types and docstrings from here. A PATCH sends the fields that the
caller sets: None removes an optional field, an omitted field is unchanged.
"""
