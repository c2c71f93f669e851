"""What people read: scores as tables."""
