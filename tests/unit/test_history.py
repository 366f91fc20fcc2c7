"""What is told of the last switches: sides, seconds at each stage, the end; bounded, and never a secret."""

from __future__ import annotations

import json
from typing import Any

from lib.registry_module import status
from lib.registry_module.state import State, restore
from tests.unit.world import UNMANAGED, World, direct


def history(world: World) -> list[dict[str, Any]]:
    return list(world.state.history)


def test_history_is_empty_as_long_as_nothing_was_switched() -> None:
    world = World()
    world.settle()
    assert history(world) == []


def test_finished_switch_names_both_sides_and_the_seconds_of_each_stage() -> None:
    world = World()
    world.settle()
    world.apply()
    while world.settle_once():
        world.minute += 1
    (switch,) = history(world)
    assert switch["from"] == {"mode": "Unmanaged", "place": "old.example.com/deckhouse/ee"}
    assert switch["to"] == {"mode": "Direct", "place": "new.example.com/deckhouse/ee"}
    assert switch["changed"] == ["mode", "registry", "credentials"]
    assert (switch["started"], switch["result"]) == ("2026-11-24T00:00:00Z", "Done")
    seconds = {stage["name"]: stage["seconds"] for stage in switch["stages"]}
    assert list(seconds) == ["GatewayReady", "ImagesAvailable", "NodesPrepared", "PullsProved", "PlatformSwitched"]
    assert all(spent >= 60 and spent % 60 == 0 for spent in seconds.values())
    minutes = int(switch["ended"][14:16])
    assert sum(seconds.values()) == 60 * minutes


def test_time_alone_changes_no_history() -> None:
    world = World()
    world.apply()
    world.step()
    before = history(world)
    world.minute += 5
    world.step()
    assert history(world) == before


def test_change_of_mind_ends_one_switch_and_begins_the_next() -> None:
    world = direct()
    world.apply(host="third.example.com")
    world.broken = {"third.example.com": ("NotFound", "answered 404")}
    assert world.settle() == "ImagesAvailable"
    world.minute = 3
    world.values = dict(UNMANAGED)
    assert world.settle() == "Ready"
    back, there, _ = history(world)
    assert (there["result"], there["ended"]) == ("ChangedMind", back["started"])
    assert {stage["name"]: stage["seconds"] for stage in there["stages"]}["ImagesAvailable"] == 180
    assert (back["from"], back["to"]["mode"], back["result"]) == (there["to"], "Unmanaged", "Done")


def test_new_password_is_named_and_not_told() -> None:
    world = direct()
    world.apply(password="new-password-2")
    assert world.settle() == "Ready"
    assert history(world)[0]["changed"] == ["credentials"]
    assert "password-" not in json.dumps(history(world)) + json.dumps(world.status())


def test_wrong_settings_begin_no_switch() -> None:
    world = direct()
    world.apply(host="bad host@x")
    world.settle()
    assert [switch["result"] for switch in history(world)] == ["Done"]


def test_ten_switches_are_kept_newest_first() -> None:
    world = World()
    for number in range(12):
        world.apply(host=f"r{number}.example.com")
        world.step()
    found = history(world)
    assert [switch["to"]["place"] for switch in found] == [f"r{n}.example.com/deckhouse/ee" for n in range(11, 1, -1)]
    assert ["ended" in switch for switch in found] == [False] + [True] * 9


def test_lost_state_does_not_invent_a_switch() -> None:
    world = direct()
    world.state = State(salt="11")
    world.settle()
    assert history(world) == []


def test_state_of_an_older_version_has_no_history() -> None:
    world = direct()
    old = world.state.to_dict()
    del old["history"]
    assert restore(json.dumps(old)).history == ()
    assert restore(json.dumps(old)).settings == world.state.settings


def test_events_say_where_a_switch_leads_and_how_long_it_took() -> None:
    world = World()
    world.settle()
    world.apply()
    messages = []
    while world.settle_once():
        event = status.event(world.status())
        assert event is not None
        messages.append(event["message"])
        world.minute += 1
    assert "Switching from Unmanaged (old.example.com/deckhouse/ee) to Direct (new.example.com" in messages[0]
    last = status.event(world.status())
    assert last is not None
    seconds = sum(stage["seconds"] for stage in history(world)[0]["stages"])
    assert last["message"].startswith(
        "Ready: registry.d8-system.svc:5001/system/deckhouse is served by new.example.com"
    )
    assert last["message"].endswith(f"The switch took {seconds} s.")


def test_other_waves_are_no_switch() -> None:
    world = World()
    world.apply()
    world.step()
    world.values = {**world.values, "nodes": {"waves": []}}
    assert world.settle() == "Ready"
    (switch,) = history(world)
    assert (switch["result"], switch["from"]["mode"]) == ("Done", "Unmanaged")
    world.values = {**world.values, "nodes": {"waves": [50]}}
    world.settle()
    assert history(world) == [switch]
