"""What can be asked of the API: one function an operation, from its arguments to a request.

Both clients take their methods, names, types and documentation from here. A PATCH sends what it is
given: None removes an optional field, what is left out stays as it is.
"""
