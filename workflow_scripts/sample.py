"""Complete a batch of test videos."""
