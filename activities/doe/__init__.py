"""How the DOE is put together, sealed, and verified."""
