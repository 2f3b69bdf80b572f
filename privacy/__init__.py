"""What is owed to people: who did what is known, what is held about someone is told or erased,
and nothing is kept beyond its time (docs/donnees-personnelles.md)."""
