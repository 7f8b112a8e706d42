"""The best of a study as a standard model: each format is written, loaded again and checked."""
