"""PROC-CRM-003 as it runs: ``steps`` reads as the process, ``client_onboarding`` lives it."""
