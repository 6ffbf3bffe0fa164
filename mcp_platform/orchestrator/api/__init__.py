"""REST: servers of others and their tools, how they do, virtual servers."""
