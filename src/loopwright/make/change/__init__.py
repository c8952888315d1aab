"""What happens to a plan: disturbances, releases, and what a new plan keeps of the old one."""
