"""PROC-CRM-003 in plain Python: its words, its rules, its limits. No Temporal, no input or output."""
