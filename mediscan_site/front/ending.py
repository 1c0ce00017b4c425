"""Tells administrators of a certificate that ends. Apart from `certificate`, which is read before there are any tables."""

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from mediscan_site.core import notices, tidy
from mediscan_site.front import certificate

# Of a user's certificate: whoever gets one anew each three months has two weeks for what went wrong.
TOLD_BEFORE_DAYS = 14
NOTICE = "tls-certificate"


@tidy.register
def watch() -> None:
    """Tell administrators in time: the web server reads a certificate only when it starts."""
    try:
        served = certificate.present()
    except ImproperlyConfigured as error:
        notices.put(NOTICE, str(error))
        return
    limit = certificate.RENEWED_BEFORE_DAYS // 2 if settings.TLS_SELF_MADE else TOLD_BEFORE_DAYS
    if served is None or served.days_left > limit:
        notices.take_away(NOTICE)
        return
    remedy = (
        "Restart the site: it makes a new one."
        if served.self_made
        else "Put a new one in its place and restart the site."
    )
    notices.put(NOTICE, f"The certificate for https ends on {served.ends:%Y-%m-%d}. {remedy}")
