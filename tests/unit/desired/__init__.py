"""Unit tests of the desired state, one file per subject."""
