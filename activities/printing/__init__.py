"""How a document becomes a PDF."""
