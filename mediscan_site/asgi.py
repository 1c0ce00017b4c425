import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mediscan_site.settings")
django.setup(set_prefix=False)

from mediscan_site.front.gate.app import Gate  # noqa: E402 -- needs the models
from mediscan_site.front.gate.handler import Handler  # noqa: E402

application = Gate(Handler())
