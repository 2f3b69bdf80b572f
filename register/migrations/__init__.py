"""The history of the tables, one file a step; ``Register.migrate`` plays what is missing.

A step is written by hand; a test compares what the steps make with ``register.models``. A step
that was released is never edited: the next one corrects it.
"""
