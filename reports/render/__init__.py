"""What a report looks like: one module for each format. They read the frozen document, and nothing else."""
