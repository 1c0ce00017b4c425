import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mediscan_site.settings")
application = get_wsgi_application()

# After the line above, which reads the settings.
from mediscan_site.front import links  # noqa: E402

links.tell()
