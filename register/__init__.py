"""The register: what must outlive a run and Temporal's retention.

Which contract holds a reference, which documents were issued, which mails were sent and when
the mail server accepted them, and the last known picture of every onboarding.
"""
