"""The HTTP service: what other programs and the readers of a document ask over the network."""
