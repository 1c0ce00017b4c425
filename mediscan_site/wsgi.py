import os

from django.core.wsgi import get_wsgi_application

from mediscan_site.patience import ROLE, WEB

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mediscan_site.settings")
# People wait for what this process does.
os.environ[ROLE] = WEB
application = get_wsgi_application()

# After the line above, which reads the settings and loads the apps.
from mediscan_site.core import start  # noqa: E402
from mediscan_site.front import links  # noqa: E402

start.at_start()
links.tell()
