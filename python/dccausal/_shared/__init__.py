"""What every room uses and none owns: checks, files, JSON, text, cores, the cache's folder, lazy names."""
