"""The rules of the registry, each in one place; the API's handlers only carry requests to them and answers back."""
