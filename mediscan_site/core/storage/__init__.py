"""Encrypted storage: the envelope of a stored file, the keys file, and the blobs kept with them.

Empty on purpose: `envelope` and `keys` are pure (no Django), and importing them must stay cheap.
"""
