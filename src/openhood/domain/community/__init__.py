"""What people keep and follow: collections, followers, profiles, and what happened lately."""
