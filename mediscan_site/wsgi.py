import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mediscan_site.settings")
application = get_wsgi_application()

from mediscan_site.core import start  # noqa: E402 -- its tables are known only now

start.at_start()
