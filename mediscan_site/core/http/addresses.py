"""Where a request comes from, and how addresses are counted."""

import ipaddress

from django.conf import settings

# A household or a rented machine has as many IPv6 addresses as it likes: they count as one.
IPV6_BLOCK = 64


def caller_address(peer: str, forwarded_for: str) -> str:
    """The caller's address. X-Forwarded-For counts only from the trusted proxies' end: what comes before is the caller's claim."""
    proxies = settings.TRUSTED_PROXIES
    forwarded = [part.strip() for part in forwarded_for.split(",") if part.strip()]
    return str(forwarded[-proxies] if proxies and len(forwarded) >= proxies else peer)[:45]


def counted_address(address: str) -> str | None:
    """The same as it is counted by limits; None for what is no address."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((found, IPV6_BLOCK), strict=False).network_address)
    return str(found)
