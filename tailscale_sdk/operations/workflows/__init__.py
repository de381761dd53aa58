"""What a caller with plain values asks and does: each function reads what it needs, and plans what it changes."""
