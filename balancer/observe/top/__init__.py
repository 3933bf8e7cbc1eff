"""The full-screen view. Only its screens import textual, so that nothing else waits for it."""
