"""What a user wraps: one class for each kind of env."""
