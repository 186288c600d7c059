"""The web application against real parts: MariaDB with TLS, Redis, and the SimpleDB endpoint."""
