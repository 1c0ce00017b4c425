"""Backups of the whole site, encrypted so that the site cannot read its own, and the way back.

`layout` what is where, `signing` who made it, `sealing` age encryption, `dumps`/`loads` the database out and in,
`objects` the stored files, `making`, `checking`, `restoring` the three things done with a backup.
"""
