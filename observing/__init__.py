"""How the programs are watched: logs, metrics and traces, none of which holds a person's data."""
