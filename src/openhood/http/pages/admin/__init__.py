"""The pages of those who administrate the hub: everything here is refused to everybody else."""
