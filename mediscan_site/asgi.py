import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mediscan_site.settings")
application = get_asgi_application()

from mediscan_site.core import start  # noqa: E402 -- its tables are known only now

start.at_start()
