"""What a report says, read from the rows at the moment when it is asked for: one module for each kind."""
