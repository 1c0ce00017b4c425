#!/usr/bin/env python
import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

from mediscan_site.core.storage.foreign import ForeignStore
from mediscan_site.core.storage.keyfile import KeysError

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mediscan_site.settings")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"MediScan cannot start. {error}")
    except (KeysError, ForeignStore) as error:
        sys.exit(f"{error}")
