"""Accounts of the module: made once, kept, and replaced so that nobody who has the old password stops pulling."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Any

import pytest

from lib.registry_module import users

NOW = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)


def keep(
    current: dict[str, Any], stored: dict[str, Any] | None = None, *, hours: float = 0, delivered: bool = True
) -> dict[str, dict[str, Any]]:
    """The next accounts; without `stored` the Secrets are as `current` made them."""
    secrets = current if stored is None else stored
    return users.keep(current, secrets, now=NOW + dt.timedelta(hours=hours), delivered=delivered)


def first() -> dict[str, dict[str, Any]]:
    return keep({}, {}, delivered=False)


def hashed(accounts: dict[str, dict[str, Any]], name: str) -> str:
    return hashlib.sha256(accounts[name]["password"].encode()).hexdigest()


def accepted(accounts: dict[str, Any], name: str) -> list[str]:
    return [user["sha256"] for user in users.for_gateway(accounts, now=NOW) if user["name"] == name]


def test_accounts_are_generated_once_and_then_kept() -> None:
    made = first()
    assert keep(made) == made
    assert keep(made, {}, delivered=False) == made
    assert {name: len(user["password"]) for name, user in made.items()} == {"ro": 32, "rw": 32}


def test_accounts_survive_a_restart_by_their_secrets() -> None:
    made = first()
    assert keep({}, made) == made


def test_deleted_secret_gets_a_new_password_and_the_old_one_works_for_a_day() -> None:
    made = first()
    later = keep(made, {"rw": made["rw"]})
    assert later["rw"] == made["rw"]
    assert later["ro"]["password"] != made["ro"]["password"]
    assert accepted(later, "ro") == [hashed(later, "ro"), hashed(made, "ro")]
    assert keep(later, hours=23) == later
    assert keep({}, later, hours=23) == later
    assert accepted(keep(later, hours=24), "ro") == [hashed(later, "ro")]
    assert accepted(keep({}, later, hours=24), "ro") == [hashed(later, "ro")]


def test_secret_that_was_never_made_is_no_reason_for_a_new_password() -> None:
    made = first()
    assert keep(made, {}, delivered=False) == made


def test_password_in_the_secret_wins_and_the_one_before_works_for_a_day() -> None:
    made = first()
    later = keep(made, {**made, "ro": {"password": "x" * 20}})
    assert later["ro"]["password"] == "x" * 20
    assert accepted(later, "ro") == [hashed(later, "ro"), hashed(made, "ro")]
    assert keep(later) == later


@pytest.mark.parametrize("bad", ["", "short", "has space in the middle", "x" * 300, "tab\t" * 6, None])
def test_unusable_password_counts_as_none(bad: Any) -> None:
    made = first()
    assert keep(made, {**made, "ro": {"password": bad}}) == made


@pytest.mark.parametrize("previous", [None, "x", {}, {"sha256": "x", "until": "2030"}, {"sha256": "a" * 64}])
def test_odd_previous_password_is_none(previous: Any) -> None:
    made = first()
    assert keep({}, {**made, "ro": {**made["ro"], "previous": previous}}) == made


def test_the_password_that_the_platform_pulls_with_works_as_long_as_it_does() -> None:
    accounts = {"ro": {"name": "ro", "password": "p" * 16}, "rw": {"name": "rw", "password": "q" * 16}}
    found = users.for_gateway(accounts, now=NOW, in_use=("ro", "an-older-password"))
    assert [(user["name"], user["sha256"]) for user in found][:2] == [
        ("ro", hashlib.sha256(b"p" * 16).hexdigest()),
        ("ro", hashlib.sha256(b"an-older-password").hexdigest()),
    ]
    same = users.for_gateway(accounts, now=NOW)
    assert users.for_gateway(accounts, now=NOW, in_use=("ro", "p" * 16)) == same
    assert users.for_gateway(accounts, now=NOW, in_use=("rw", "an-older-password")) == same
    assert users.for_gateway({}, now=NOW, in_use=("ro", "an-older-password")) == []


def test_a_password_from_before_ends_by_the_clock() -> None:
    made = first()
    later = keep(made, {**made, "ro": {"password": "x" * 20}})
    assert len(users.for_gateway(later, now=NOW)) == 3
    assert len(users.for_gateway(later, now=NOW + dt.timedelta(hours=25))) == 2


def test_gateway_gets_hashes_and_rights_only() -> None:
    accounts = {"ro": {"name": "ro", "password": "p" * 16}, "rw": {"name": "rw", "password": "q" * 16}}
    assert users.for_gateway(accounts, now=NOW) == [
        {"name": "ro", "sha256": hashlib.sha256(b"p" * 16).hexdigest(), "rights": "pull"},
        {"name": "rw", "sha256": hashlib.sha256(b"q" * 16).hexdigest(), "rights": "push"},
    ]
