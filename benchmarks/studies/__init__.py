"""Studies that open hold-outs or train models of their own; each is a command."""
