"""Ways out of a storey: the graph of its spaces and doors, distances, choices, loads, and the facts that follow for rules."""
