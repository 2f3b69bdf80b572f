"""What an onboarding does: mails, documents, register, working calendar. All input and output."""
