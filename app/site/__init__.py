"""One server process as the outside sees it: its runs behind one port, the list of them, and what machines ask it."""
