"""What an onboarding costs, measured against the engine's own floor (docs/performance.md)."""
