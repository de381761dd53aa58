"""Import, compare, generate and check the API description."""
