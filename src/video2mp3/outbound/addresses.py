"""Decides which IP addresses are public.

Sources: IANA's registries of special-purpose addresses for IPv4 and IPv6 (RFC 6890 and its updates), read in 2026.
Python's `is_global` is not used, because its results changed between patch releases.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_SPECIAL_IPV4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this host (connecting to it reaches loopback)
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by a provider's customers (CGNAT); metadata of Alibaba Cloud
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's wire server: a public number that leads inside
        "169.254.0.0/16",  # link-local; metadata of most clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; metadata of Oracle Cloud
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_SPECIAL_IPV6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments, Teredo (which holds an IPv4 address) and ORCHID among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: holds an IPv4 address
        "3fff::/20",  # documentation
    )
)
# Networks without IPv4 reach IPv4 hosts with such addresses, which their resolvers create (RFC 6052).
_NAT64 = IPv6Network("64:ff9b::/96")


def is_allowed(address: Address, networks: tuple[Network, ...]) -> bool:
    """Returns whether an address is public or in one of the allowed networks.

    IPv6 outside 2000::/3 is not public: loopback, link-local, unique local, multicast, IPv4-mapped and the rest.
    """
    if any(address in network for network in networks):
        return True
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _SPECIAL_IPV4)
    if address in _NAT64:
        return is_allowed(IPv4Address(int(address) & 0xFFFFFFFF), networks)
    return address in _GLOBAL_UNICAST and not any(address in network for network in _SPECIAL_IPV6)


def read_address(text: str) -> Address:
    """Parses an address from a resolver; drops the zone (fe80::1%eth0). Raises ValueError."""
    return ip_address(text.partition("%")[0])
