"""MCP clients as programs: they log in through a browser, and print what `whoami` told them."""
