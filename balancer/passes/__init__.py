"""One pass from files to maps, and the ways to do less where less has changed."""
