"""What there is to tell, to whom, in which envelope, and when to try again. Pure."""
