"""One small module for each package that the scanner is put in front of; each needs that package, and none another."""
