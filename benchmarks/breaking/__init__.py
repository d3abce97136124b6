"""Breaking a server on purpose while people vote: what is killed, what is cut, and who checks what is left."""
