"""Everything that clients get wrong: tables of requests and sockets, each with the refusal that it must get."""
