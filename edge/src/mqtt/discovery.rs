//! What Home Assistant is told, so that a board appears there by itself: MQTT device discovery, one retained message that
//! names the board and all that can be seen and pressed of it. Home Assistant 2024.12 and newer read it.
//!
//! No template fails on a message that this version can send: what is `null` there comes out as `None`, which Home
//! Assistant shows as unknown. What is checked against Home Assistant's own package is `docs/homeassistant.json`, which
//! a test keeps equal to what is made here (`scripts/check-homeassistant.sh`).

use bytes::Bytes;
use serde_json::{Map, Value, json};
use smearscope_common::topic::{DeviceId, Topic};

use super::to_json;

/// Where the message stands, retained, at QoS 1.
pub fn topic(prefix: &str, device: &DeviceId) -> String {
    format!("{prefix}/device/{device}/config")
}

/// What stands there while discovery is switched off, retained: it removes the board from Home Assistant and the message
/// from the broker.
pub const REMOVED: Bytes = Bytes::new();

/// What stands there otherwise.
pub fn announcement(device: &DeviceId, version: &str) -> Bytes {
    to_json(&config(device, version))
}

fn config(device: &DeviceId, version: &str) -> Value {
    json!({
        "device": {
            "identifiers": [unique(device, None)],
            "name": format!("Smearscope {device}"),
            "manufacturer": "smearscope",
            "model": "Malaria screening station, for research use only",
            "sw_version": version,
        },
        "origin": {
            "name": "smearscope-edge",
            "sw_version": version,
        },
        "components": components(device),
    })
}

fn components(device: &DeviceId) -> Map<String, Value> {
    let mut all = Map::new();
    let mut add = |key: &str, component: Value| {
        let Value::Object(mut component) = component else {
            unreachable!("a component is written as an object")
        };
        component.insert("unique_id".into(), unique(device, Some(key)).into());
        // Without one it is always available: what says whether the board is there must say it of a board that isn't.
        if key != CONNECTED {
            component.insert("availability".into(), availability(device));
        }
        all.insert(key.into(), component.into());
    };
    add(CONNECTED, connected(device));
    for (key, sensor) in slide_sensors(device) {
        add(key, sensor);
    }
    for (key, sensor) in health_sensors(device) {
        add(key, sensor);
    }
    add(
        "image",
        json!({
            "platform": "image",
            "name": "Last field",
            "image_topic": Topic::ImageField.of(device),
            "content_type": "image/jpeg",
        }),
    );
    for (key, name, command) in [
        ("slide_start", "Start slide", "slide.start"),
        ("slide_stop", "Stop slide", "slide.stop"),
        ("capture_pause", "Pause capture", "capture.pause"),
        ("capture_resume", "Resume capture", "capture.resume"),
    ] {
        add(key, button(device, name, command));
    }
    all
}

/// The one component that says whether the board is there.
const CONNECTED: &str = "connected";

/// A slash is no character of a device id, so no two boards and components have the same.
fn unique(device: &DeviceId, component: Option<&str>) -> String {
    match component {
        None => format!("smearscope/{device}"),
        Some(component) => format!("smearscope/{device}/{component}"),
    }
}

/// `stopped` has to be translated: Home Assistant would pass over a word that it wasn't told.
fn availability(device: &DeviceId) -> Value {
    json!([{
        "topic": Topic::Status.of(device),
        "value_template": "{{ 'online' if value_json.state == 'online' else 'offline' }}",
    }])
}

fn connected(device: &DeviceId) -> Value {
    json!({
        "platform": "binary_sensor",
        "name": "Connected",
        "device_class": "connectivity",
        "entity_category": "diagnostic",
        "state_topic": Topic::Status.of(device),
        "value_template": "{{ 'ON' if value_json.state == 'online' else 'OFF' }}",
        "qos": 1,
    })
}

/// The running count; of a closed slide it is the last one.
fn slide_sensors(device: &DeviceId) -> [(&'static str, Value); 5] {
    let topic = Topic::Slide.of(device);
    let count = |name: &str, unit: &str, key: &str| {
        json!({
            "platform": "sensor",
            "name": name,
            "state_class": "measurement",
            "unit_of_measurement": unit,
            "state_topic": topic,
            "value_template": format!("{{{{ value_json.{key} }}}}"),
            "qos": 1,
        })
    };
    [
        (
            "parasitemia",
            json!({
                "platform": "sensor",
                "name": "Parasitemia",
                "state_class": "measurement",
                "unit_of_measurement": "%",
                "suggested_display_precision": 3,
                "state_topic": topic,
                "value_template":
                    "{{ value_json.parasitemia.percent if value_json.parasitemia else None }}",
                // A percentage alone says nothing: with it go its interval and what it was counted from.
                "json_attributes_topic": topic,
                "json_attributes_template": "{% set p = value_json.parasitemia or {} %}\
                    {{ {'slide': value_json.id, 'low': p.low | default(None), \
                    'high': p.high | default(None), 'interval': value_json.interval, \
                    'cells': value_json.cells, 'cells_needed': value_json.cells_needed, \
                    'closed_at': value_json.closed_at | default(None)} | tojson }}",
                "qos": 1,
            }),
        ),
        (
            "slide_state",
            json!({
                "platform": "sensor",
                "name": "Slide count",
                "device_class": "enum",
                "options": ["insufficient", "below_detection_limit", "sufficient"],
                "state_topic": topic,
                "value_template": "{{ value_json.state }}",
                "qos": 1,
            }),
        ),
        ("cells", count("Cells", "cells", "cells")),
        (
            "parasitized",
            count("Parasitized cells", "cells", "parasitized"),
        ),
        ("fields", count("Fields", "fields", "fields")),
    ]
}

fn health_sensors(device: &DeviceId) -> [(&'static str, Value); 3] {
    let topic = Topic::Health.of(device);
    [
        (
            "focus",
            json!({
                "platform": "sensor",
                "name": "Focus",
                "state_class": "measurement",
                "suggested_display_precision": 0,
                "state_topic": topic,
                "value_template": "{{ value_json.fields.focus }}",
            }),
        ),
        (
            "temperature",
            json!({
                "platform": "sensor",
                "name": "Temperature",
                "device_class": "temperature",
                "state_class": "measurement",
                "unit_of_measurement": "°C",
                "suggested_display_precision": 1,
                "entity_category": "diagnostic",
                "state_topic": topic,
                "value_template": "{{ value_json.temperature_c }}",
            }),
        ),
        (
            "pending",
            json!({
                "platform": "sensor",
                "name": "Results not yet delivered",
                "state_class": "measurement",
                "unit_of_measurement": "results",
                "entity_category": "diagnostic",
                "state_topic": topic,
                "value_template": "{{ value_json.store.pending }}",
            }),
        ),
    ]
}

/// The time makes the request's id new; the number tells apart two Home Assistants that are pressed at once.
fn button(device: &DeviceId, name: &str, command: &str) -> Value {
    let template = format!(
        "{{\"request_id\":\"ha-{{{{ now().timestamp() }}}}-{{{{ range(10000, 100000) | random }}}}\",\
         \"command\":\"{command}\"}}"
    );
    json!({
        "platform": "button",
        "name": name,
        "command_topic": Topic::Command.of(device),
        "command_template": template,
        "qos": 1,
        "retain": false,
    })
}

#[cfg(test)]
mod tests;
