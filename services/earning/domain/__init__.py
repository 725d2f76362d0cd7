"""The rules of earning, pure: values in, values out. Ids and the current time are passed in."""
