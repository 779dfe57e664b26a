"""Around every request: connections, the HTTP protocol, who sent it, what surrounds its answer."""
