"""The web page and its HTTP interface: server, application, uploads, answers."""
