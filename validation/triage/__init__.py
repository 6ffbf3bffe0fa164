"""Which findings to look at first: cases out of rows, a model learnt from people's dispositions, and the model that serves."""
