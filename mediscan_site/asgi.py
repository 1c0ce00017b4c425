import os
from concurrent.futures import ThreadPoolExecutor

import django

from mediscan_site.patience import ROLE, WEB

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mediscan_site.settings")
# People wait for what this process does.
os.environ[ROLE] = WEB
django.setup(set_prefix=False)

# After the line above, which reads the settings and loads the apps.
from mediscan_site import tracing  # noqa: E402
from mediscan_site.core import garbage, start  # noqa: E402
from mediscan_site.front import links  # noqa: E402
from mediscan_site.front.gate.app import Gate  # noqa: E402
from mediscan_site.front.gate.handler import Handler  # noqa: E402

# In a thread: the web server imports this inside its event loop, where Django refuses to ask a database.
with ThreadPoolExecutor(1) as outside_the_loop:
    outside_the_loop.submit(start.at_start).result()
    outside_the_loop.submit(links.tell).result()
tracing.begin("web")
application = Gate(Handler())
garbage.set_aside()
