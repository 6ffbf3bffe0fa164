"""REST of flows: drafts, their states and transitions, versions, environments, integrations."""
