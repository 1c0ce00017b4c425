"""The same process with nothing of the site's before the view: no middleware, one address (`benchmarks._bare`)."""

from mediscan_site.settings import *  # noqa: F403

MIDDLEWARE: list[str] = []
ROOT_URLCONF = "benchmarks._bare"
