"""The use cases of projects and scans. Each authorises on its first line."""

from images.facts import parse_facts, pseudonym
from images.scan_facts import ScanFacts
from images.services.arrivals import on_arrival, on_release
from images.services.classes import add_class, rename_class, retire_class
from images.services.edit import update_scan
from images.services.erasure import delete_scan, erase_patient, on_erase, on_erase_patient
from images.services.frames import choose_frames
from images.services.guide import add_example, remove_example, write_guide
from images.services.holds import release_scan, require_free
from images.services.identities import forget_unused, reidentify
from images.services.keeping import on_intake_views
from images.services.many import update_many
from images.services.members import add_member, grant, remove_member, revoke, set_role
from images.services.opening import open_original, open_pixels, open_rendition, open_view
from images.services.patients import merge_patients
from images.services.projects import create_project, update_project
from images.services.saving import delete_filter, save_filter, share_filter
from images.services.scans import store_scan
from images.services.tags import delete_tag, rename_tag, tag_scans

__all__ = [
    "ScanFacts",
    "add_class",
    "add_example",
    "add_member",
    "choose_frames",
    "create_project",
    "delete_filter",
    "delete_scan",
    "delete_tag",
    "erase_patient",
    "forget_unused",
    "grant",
    "merge_patients",
    "on_arrival",
    "on_erase",
    "on_erase_patient",
    "on_intake_views",
    "on_release",
    "open_original",
    "open_pixels",
    "open_rendition",
    "open_view",
    "parse_facts",
    "pseudonym",
    "reidentify",
    "release_scan",
    "remove_example",
    "remove_member",
    "rename_class",
    "rename_tag",
    "require_free",
    "retire_class",
    "revoke",
    "save_filter",
    "set_role",
    "share_filter",
    "store_scan",
    "tag_scans",
    "update_many",
    "update_project",
    "update_scan",
    "write_guide",
]
