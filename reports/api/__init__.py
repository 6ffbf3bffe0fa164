"""Reports over REST: what they are made of and how they look, when they are made, how they are signed, kept and verified."""
