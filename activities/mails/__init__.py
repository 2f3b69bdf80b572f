"""How a mail is written, enclosed, and handed to the mail server."""
