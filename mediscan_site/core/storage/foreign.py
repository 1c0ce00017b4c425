"""Keys or a store that are not this site's own. The message says why and what to do; it is for whoever runs the site."""

from mediscan_site.core.storage.keyfile import KeysError


class ForeignKeys(KeysError):
    """The key file is not the one of this database."""


class ForeignStore(Exception):
    """The store of objects is not this database's."""

    word = "foreign"


class MarkerMissing(ForeignStore):
    """The store is not marked as this database's any more."""

    word = "unmarked"
