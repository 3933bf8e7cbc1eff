"""The command line from the outside: options in; text, JSON and exit codes out."""
