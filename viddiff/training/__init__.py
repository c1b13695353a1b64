"""Training a network on windows of long videos."""
