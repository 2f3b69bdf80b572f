"""The commands of ``starter.py``, one module a concern. What is heavy is imported by the command
that needs it: help, completion and a misspelt command are answered at once."""
