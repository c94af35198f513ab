"""The top floor: the story of a shift, Prefect around it, and the command line."""
