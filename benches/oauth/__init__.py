"""What a login takes: with `mcp-auth`, and with FastMCP's `OIDCProxy`, at the same provider."""
