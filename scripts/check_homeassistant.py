"""Reads our MQTT device discovery (docs/homeassistant.json) as Home Assistant does, with Home Assistant's own package.
Run by scripts/check-homeassistant.sh. Every key must be known to the schema of its platform: Home Assistant itself drops
what it doesn't know without a word.
"""

import asyncio
import copy
import json
import sys
import tempfile
import types

from homeassistant.components.mqtt import binary_sensor, button, image, sensor
from homeassistant.components.mqtt.discovery import TOPIC_MATCHER
from homeassistant.components.mqtt.models import MqttCommandTemplate, MqttValueTemplate
from homeassistant.components.mqtt.schemas import DEVICE_DISCOVERY_SCHEMA
from homeassistant.const import __version__
from homeassistant.core import HomeAssistant

PLATFORMS = {module.__name__.rsplit(".", 1)[1]: module for module in (binary_sensor, button, image, sensor)}
# Read by the discovery before the platform sees the rest.
NOT_THE_PLATFORMS = {"platform"}

STATUS = {"state": "stopped"}
SLIDE = {
    "id": "s", "fields": 0, "cells": 0, "parasitized": 0, "parasitemia": None, "interval": "wilson",
    "cells_needed": 5000, "state": "insufficient", "closed_at": None,
}
HEALTH = {"fields": {"analysed": 0, "focus": None}, "store": {"pending": 0}, "temperature_c": None}
MESSAGES = {"status": STATUS, "slide": SLIDE, "health": HEALTH}
EXPECTED = {
    "connected": "OFF", "parasitemia": "None", "slide_state": "insufficient", "cells": "0", "parasitized": "0",
    "fields": "0", "focus": "None", "temperature": "None", "pending": "0",
}


def check_schemas(payload):
    """Returns what each platform made of its component."""
    # It adds defaults to what it is given.
    DEVICE_DISCOVERY_SCHEMA(copy.deepcopy(payload))
    unknown = set(payload) - {"device", "origin", "components"}
    assert not unknown, f"unknown: {unknown}"
    read = {}
    for key, component in payload["components"].items():
        # The key becomes part of a list that is split at spaces.
        assert " " not in key, key
        whole = {**component, "device": payload["device"], "origin": payload["origin"]}
        read[key] = PLATFORMS[component["platform"]].DISCOVERY_SCHEMA(copy.deepcopy(whole))
        dropped = set(whole) - set(read[key]) - NOT_THE_PLATFORMS
        assert not dropped, f"{key}: Home Assistant doesn't know {dropped}"
    return read


def check_templates(hass, read):
    entity = types.SimpleNamespace(hass=hass, entity_id="sensor.smearscope", name="Smearscope")
    rendered = {}
    for key, component in read.items():
        if template := component.get("value_template"):
            message = MESSAGES[component["state_topic"].rsplit("/", 1)[1]]
            value = MqttValueTemplate(template, entity=entity)
            rendered[key] = value.async_render_with_possible_json_value(json.dumps(message))
        if template := component.get("json_attributes_template"):
            value = MqttValueTemplate(template, entity=entity)
            attributes = json.loads(value.async_render_with_possible_json_value(json.dumps(SLIDE)))
            assert attributes["low"] is None and attributes["cells_needed"] == 5000, attributes
        if template := component.get("command_template"):
            command = MqttCommandTemplate(template, entity=entity)
            first, second = (json.loads(command.async_render(component["payload_press"])) for _ in range(2))
            assert set(first) == {"request_id", "command"}, first
            assert first["request_id"] != second["request_id"], first
        for source in component.get("availability", []):
            value = MqttValueTemplate(source["value_template"], entity=entity)
            said = value.async_render_with_possible_json_value(json.dumps(STATUS))
            assert said == source["payload_not_available"], f"{key}: {said}"
    assert rendered == EXPECTED, rendered


async def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        payload = json.load(file)
    match = TOPIC_MATCHER.fullmatch("device/lab-1/config")
    assert match and match["component"] == "device" and match["object_id"] == "lab-1"
    with tempfile.TemporaryDirectory() as folder:
        hass = HomeAssistant(folder)
        read = check_schemas(payload)
        check_templates(hass, read)
        await hass.async_stop(force=True)
    print(f"Home Assistant {__version__} reads the device and its {len(read)} components")


asyncio.run(main())
