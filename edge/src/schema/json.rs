//! One JSON Schema (draft 2020-12) for each kind of message.
//!
//! What a board sends is described as it is written today, but required are only the keys that
//! its version began with: a key with a default was added since, and an older board doesn't send
//! it. What a board is sent is described as it is read.

use schemars::generate::{Contract, SchemaSettings};
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};
use smearscope_common::message::{
    DesiredModel, FieldMessage, HealthMessage, LiveMessage, ModelMessage, SlideMessage,
    StatusMessage,
};

use super::commands;

/// The formats that JSON Schema has a meaning for. schemars names those of Rust's numbers too, which a strict
/// validator refuses.
const FORMATS: [&str; 2] = ["date-time", "uuid"];

/// Where a schema stands in the folder that is written; its name is the `<what>` of `smearscope.<what>/<version>`.
pub fn path(name: &str) -> String {
    format!("schemas/{name}.json")
}

/// Every schema, with its name.
pub fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        ("field", sent::<FieldMessage>()),
        ("slide", sent::<SlideMessage>()),
        ("status", sent::<StatusMessage>()),
        ("health", sent::<HealthMessage>()),
        ("live", sent::<LiveMessage>()),
        ("model", sent::<ModelMessage>()),
        (
            "desired",
            root::<DesiredModel>(generator(Contract::Deserialize)),
        ),
        ("command", commands::request()),
        ("reply", commands::reply()),
    ]
}

fn sent<T: JsonSchema>() -> Value {
    root::<T>(generator(Contract::Serialize))
}

/// Makes schemas of types.
pub fn generator(contract: Contract) -> SchemaGenerator {
    let mut settings = SchemaSettings::draft2020_12();
    settings.contract = contract;
    settings.into_generator()
}

/// The schema of a kind of message, which has a constant `schema`, with all that the generator was asked for before
/// among its definitions.
pub fn root<T: JsonSchema>(generator: SchemaGenerator) -> Value {
    let mut schema = Value::from(generator.into_root_schema_for::<T>());
    tidy(&mut schema);
    let name = schema["properties"]["schema"]["const"]
        .as_str()
        .expect("every kind of message names its schema")
        .to_owned();
    schema["$id"] = json!(format!("urn:{}", name.replace(['.', '/'], ":")));
    schema["title"] = json!(name);
    schema
}

fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            tidy_object(object);
            object.values_mut().for_each(tidy);
        }
        Value::Array(values) => values.iter_mut().for_each(tidy),
        _ => {}
    }
}

fn tidy_object(schema: &mut Map<String, Value>) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        // The lines of a comment in the source.
        *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    if let Some(Value::String(format)) = schema.get("format")
        && !FORMATS.contains(&format.as_str())
    {
        if format == "uint32" {
            schema.insert("maximum".into(), json!(u32::MAX));
        }
        schema.remove("format");
    }
    let added_later: Vec<String> = match schema.get("properties") {
        Some(Value::Object(properties)) => properties
            .iter()
            .filter(|(_, property)| property.get("default").is_some())
            .map(|(key, _)| key.clone())
            .collect(),
        _ => return,
    };
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.retain(|key| !added_later.iter().any(|later| key == later));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(name: &str) -> Value {
        let mut all = schemas().into_iter();
        all.find(|(other, _)| *other == name).unwrap().1
    }

    fn required(schema: &Value) -> Vec<&str> {
        let keys = schema["required"].as_array().unwrap();
        keys.iter().map(|key| key.as_str().unwrap()).collect()
    }

    /// Calls `look` for each part of a schema that is an object.
    fn each(schema: &Value, look: &mut impl FnMut(&Map<String, Value>)) {
        match schema {
            Value::Object(object) => {
                look(object);
                object.values().for_each(|value| each(value, look));
            }
            Value::Array(values) => values.iter().for_each(|value| each(value, look)),
            _ => {}
        }
    }

    #[test]
    fn a_schema_is_of_the_kind_and_version_that_it_is_named_after() {
        for (name, schema) in schemas() {
            let constant = &schema["properties"]["schema"]["const"];
            assert_eq!(constant, &json!(format!("smearscope.{name}/1")));
            assert_eq!(schema["title"], *constant);
            assert_eq!(schema["$id"], format!("urn:smearscope:{name}:1"));
            assert_eq!(
                schema["$schema"],
                "https://json-schema.org/draft/2020-12/schema"
            );
        }
    }

    #[test]
    fn every_property_is_described_for_people_without_the_source() {
        for (name, schema) in schemas() {
            each(&schema, &mut |part| {
                // Below `if`, `then` and `else` are conditions and no descriptions.
                let Some(Value::Object(properties)) = part.get("properties") else {
                    return;
                };
                if part.get("type").is_none() {
                    return;
                }
                for (key, property) in properties {
                    let text = property["description"].as_str().unwrap_or_default();
                    assert!(!text.is_empty(), "{name}: {key} has no description");
                    for source in ["[`", "::", "\n"] {
                        assert!(!text.contains(source), "{name}: {key}: {text}");
                    }
                }
            });
        }
    }

    #[test]
    fn keys_that_came_later_are_not_required_and_those_of_the_beginning_are() {
        let field = schema("field");
        let keys = required(&field);
        for first in ["schema", "id", "seq", "slide", "cells", "counted", "model"] {
            assert!(keys.contains(&first), "{first}: {keys:?}");
        }
        assert!(!keys.contains(&"series"));
        let quality = &field["$defs"]["Quality"];
        assert_eq!(required(quality), ["focus", "exposure", "crowded"]);
        assert!(!required(&schema("slide")).contains(&"closed_at"));
    }

    #[test]
    fn unknown_keys_are_refused_in_what_a_board_is_told_only() {
        for (name, schema) in schemas() {
            each(&schema, &mut |part| {
                if part.contains_key("properties") && part.contains_key("type") {
                    let closed = part.get("additionalProperties") == Some(&json!(false));
                    let is_told = ["command", "desired"].contains(&name);
                    assert_eq!(closed, is_told, "{name}: {part:?}");
                }
            });
        }
    }
}
