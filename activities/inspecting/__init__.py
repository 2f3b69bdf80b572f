"""What a file that someone else wrote is, and whether the DOE may hold it."""
