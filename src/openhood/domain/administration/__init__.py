"""What those who administrate the hub see of it as a whole, and what they put right."""
