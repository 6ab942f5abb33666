"""mechaug."""
