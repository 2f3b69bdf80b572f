"""What brings the parts up on one machine: for ``make run``, ``make demo`` and the tests."""
