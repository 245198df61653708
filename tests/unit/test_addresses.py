"""Addresses of requests: whatever a proxy wrote is one address, in one way, or none."""

import pytest

from services.directory import addresses


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("203.0.113.7:4711", "203.0.113.7"),
        (" 203.0.113.7 ", "203.0.113.7"),
        ("203.0.113.7" + " " * addresses.LONGEST, addresses.UNKNOWN),
        ("2001:DB8::0:7", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("[::ffff:203.0.113.7]:4711", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::1"),
        ("", addresses.UNKNOWN),
        ("unknown", addresses.UNKNOWN),
        ("_hidden", addresses.UNKNOWN),
        ("203.0.113.700", addresses.UNKNOWN),
        ("203.0.113.7:", addresses.UNKNOWN),
        ("\u0661.1.1.1", addresses.UNKNOWN),
    ],
)
def test_an_address_is_read_without_what_is_beside_it(written: str, read: str) -> None:
    assert addresses.plain(written) == read
    assert addresses.plain(read) == read


@pytest.mark.parametrize(
    ("address", "is_there"), [("203.0.113.7", True), ("198.51.100.7", False), ("2001:db8::7", True), ("", False)]
)
def test_what_is_no_address_is_in_no_network(address: str, is_there: bool) -> None:
    assert addresses.is_within(address, ["203.0.113.0/24", "2001:db8::/32"]) is is_there
    assert not addresses.is_within(address, [])


def test_one_customers_addresses_count_as_one() -> None:
    assert addresses.network("2001:db8::7") == addresses.network("2001:db8::ffff:7") == "2001:db8::/64"
    assert addresses.network("2001:db8:0:1::7") != addresses.network("2001:db8::7")
    assert addresses.network("203.0.113.7") != addresses.network("203.0.113.8")


def test_the_application_hears_of_an_address_written_in_one_way() -> None:
    heard: list[str] = []

    def application(environ: dict[str, str], start_response: object) -> list[bytes]:
        heard.append(environ["REMOTE_ADDR"])
        return []

    for given in ({"REMOTE_ADDR": "[::ffff:203.0.113.7]:4711"}, {"REMOTE_ADDR": "x"}, {}):
        addresses.PlainAddresses(application)(given, lambda *_: None)

    assert heard == ["203.0.113.7", addresses.UNKNOWN, addresses.UNKNOWN]
