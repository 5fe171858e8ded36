"""How captured pixels reach a hub, and how demand comes back."""
