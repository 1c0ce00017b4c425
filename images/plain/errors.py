"""What cannot be taken apart."""


class NotPlain(Exception):
    """The file is built in a way that cannot be taken apart safely; the message says what is unusual."""
