"""The pages of people and organizations: who they are, what they have, and what they did."""
