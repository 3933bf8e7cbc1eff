"""The last content of each file that was good: in force while the file is broken, and across restarts."""
