"""What `mcp-auth` takes: for a lookup beside a GET of the same Redis, for what it keeps."""
