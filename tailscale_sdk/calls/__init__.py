"""Hand-written behaviour of single operations, mixed into the generated resources."""
