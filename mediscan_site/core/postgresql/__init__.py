"""Django's PostgreSQL engine, whose connections do not wait for ever for a server that answers nothing."""
