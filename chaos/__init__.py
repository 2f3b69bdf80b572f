"""Faults provoked on purpose: whole onboardings must end as they would have without them."""
