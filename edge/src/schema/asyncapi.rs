//! The AsyncAPI document: every topic, what goes over it, and how. It is written from the board's side: the board
//! sends what it measures and receives commands.

use serde_json::{Map, Value, json};
use smearscope_common::topic::Topic;

use super::commands::{self, COMMANDS};
use super::json;

/// The version of AsyncAPI's descriptions of what is special about MQTT.
const BINDING: &str = "0.2.0";

/// How a topic is used, beyond its name.
struct Use {
    /// What the channel is called in the document.
    key: &'static str,
    title: &'static str,
    description: &'static str,
    qos: u8,
    retained: bool,
    /// After how many seconds a broker drops what it couldn't hand over yet.
    expiry_s: Option<u32>,
    /// The keys of what goes over it, among the document's messages.
    messages: Vec<String>,
}

fn used(topic: Topic) -> Use {
    let one = |message: &str| vec![message.to_owned()];
    match topic {
        Topic::Status => Use {
            key: "status",
            title: "Is the board there?",
            description: "`online` follows an accepted connection, `stopped` precedes an orderly end, `offline` is \
                          the last will, which the broker publishes 15 seconds after it lost the board.",
            qos: 1,
            retained: true,
            expiry_s: None,
            messages: one("status"),
        },
        Topic::Field => Use {
            key: "field",
            title: "Each analysed field",
            description: "Kept on the board until the broker has acknowledged it, so it may come late, and more than \
                          once under the same `id`: drop what you have. A gap in `seq` within a `series` is filled \
                          by the command `results.resend`.",
            qos: 1,
            retained: false,
            expiry_s: None,
            messages: one("field"),
        },
        Topic::Slide => Use {
            key: "slide",
            title: "The running count of the slide",
            description: "Only its newest value matters. Once the slide is closed, `closed_at` says when.",
            qos: 1,
            retained: true,
            expiry_s: None,
            messages: one("slide"),
        },
        Topic::SlideReport => Use {
            key: "slideReport",
            title: "Each closed slide",
            description: "The count of a slide that is closed: kept and resent as fields are.",
            qos: 1,
            retained: false,
            expiry_s: None,
            messages: one("slideReport"),
        },
        Topic::Health => Use {
            key: "health",
            title: "How the board itself is",
            description: "Each 30 seconds, and at once where the camera is lost or back.",
            qos: 0,
            retained: true,
            expiry_s: Some(120),
            messages: one("health"),
        },
        Topic::ImageField => Use {
            key: "imageField",
            title: "The picture of a field",
            description: "At a set rate, or on `image.get`. Never queued: it goes out while the board is connected, \
                          or not at all.",
            qos: 0,
            retained: false,
            expiry_s: Some(60),
            messages: one("imageField"),
        },
        Topic::Live => Use {
            key: "live",
            title: "What the camera sees now",
            description: "For the person at the microscope: focus, light, and why a field is taken or not. At most \
                          twice a second while a camera runs, never queued, and nothing where fields come from files.",
            qos: 0,
            retained: false,
            expiry_s: Some(5),
            messages: one("live"),
        },
        Topic::Model => Use {
            key: "model",
            title: "Which model decides",
            description: "And what becomes of the one that is desired: how far its bytes are, why it was refused or taken \
                          back, how its watch goes. Only its newest value matters.",
            qos: 1,
            retained: true,
            expiry_s: None,
            messages: one("model"),
        },
        Topic::ModelDesired => Use {
            key: "modelDesired",
            title: "The model that the board is to take",
            description: "Signed, or it is refused. Without `url`, its bytes are on the broker before this is. A board that \
                          was away takes it when it is back. An empty retained payload withdraws it.",
            qos: 1,
            retained: true,
            expiry_s: None,
            messages: one("modelDesired"),
        },
        Topic::Command => Use {
            key: "command",
            title: "What the board is told to do",
            description: "At most 16 KiB, at a bounded rate, and not retained: a retained command is answered with an \
                          error and not carried out. A key or a command that the board doesn't know is refused. A \
                          repeated `request_id` gets the same answer, and is done once.",
            qos: 1,
            retained: false,
            expiry_s: None,
            messages: COMMANDS.iter().map(|c| request_key(c.name)).collect(),
        },
        Topic::CommandReply => Use {
            key: "commandReply",
            title: "Answers to commands that named no response topic",
            description: "Also to those that named one that isn't allowed.",
            qos: 1,
            retained: false,
            expiry_s: Some(300),
            messages: reply_keys(),
        },
    }
}

/// `slide.start` as a name within the document: `slideStart`.
fn camel(command: &str) -> String {
    let (first, second) = command.split_once('.').unwrap_or((command, ""));
    let (initial, rest) = second.split_at(second.len().min(1));
    format!("{first}{}{rest}", initial.to_uppercase())
}

fn request_key(command: &str) -> String {
    camel(command)
}

fn reply_key(command: &commands::Described) -> String {
    match command.answer() {
        Some(answer) => format!("reply{answer}"),
        None => "replyDone".into(),
    }
}

fn reply_keys() -> Vec<String> {
    let mut keys: Vec<_> = COMMANDS.iter().map(reply_key).collect();
    keys.push("replyRefused".into());
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// The whole document.
pub fn document() -> Value {
    json!({
        "asyncapi": "3.0.0",
        "id": "urn:smearscope:board",
        "info": {
            "title": "smearscope board",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What a smearscope board sends and receives over MQTT 5. Decision support for research, \
                            not a diagnostic device: thin smears only, no species, and the parasitemia is \
                            uncorrected for the model's own errors.\n\nEvery JSON payload names its schema and its \
                            version in `schema`. Readers ignore keys that they don't know; a board refuses commands \
                            with such keys.",
            "license": {"name": "MIT OR Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": servers(),
        "channels": channels(),
        "operations": operations(),
        "components": {
            "messages": messages(),
            "parameters": {"device": {
                "description": "The board's name: 1 to 64 of A-Z, a-z, 0-9, _ and -.",
                "examples": ["lab-3"],
            }},
            "securitySchemes": {
                "password": {
                    "type": "userPassword",
                    "description": "A user name and a password, which the broker's access list gives its topics: a \
                                    board its own, a dashboard reading only, an operator the commands as well.",
                },
                "certificate": {
                    "type": "X509",
                    "description": "A client certificate; it needs TLS.",
                },
            },
        },
    })
}

fn servers() -> Value {
    let session = json!({"mqtt": {
        "clientId": "smearscope-{device}",
        "cleanSession": false,
        "keepAlive": 10,
        "sessionExpiryInterval": 60,
        "lastWill": {
            "topic": address(Topic::Status),
            "qos": 1,
            "retain": true,
            "message": "The status with the state `offline`",
        },
        "bindingVersion": BINDING,
    }});
    let server = |protocol: &str, port: &str, path: Option<&str>, description: &str| {
        let mut server = json!({
            "host": format!("{{broker}}:{port}"),
            "protocol": protocol,
            "protocolVersion": "5.0",
            "description": description,
            "variables": {"broker": {
                "description": "The broker's name or address.",
                "default": "localhost",
            }},
            "security": [security("password"), security("certificate")],
            "bindings": session,
        });
        if let Some(path) = path {
            server["pathname"] = json!(path);
        }
        server
    };
    json!({
        "tls": server("secure-mqtt", "8883", None, "MQTT over TLS: what a clinic should use."),
        "webSocket": server("wss", "443", Some("/mqtt"), "MQTT over WebSockets and TLS, where only the ports of the \
                             web are open; the path is the broker's to say."),
        "plain": server("mqtt", "1883", None, "MQTT without TLS: for a broker on the same machine. Client \
                         certificates need TLS."),
    })
}

fn security(scheme: &str) -> Value {
    json!({"$ref": format!("#/components/securitySchemes/{scheme}")})
}

fn address(topic: Topic) -> String {
    format!("smearscope/{{device}}/{}", topic.leaf())
}

fn message_refs(keys: &[String]) -> Map<String, Value> {
    let refer = |key: &String| json!({"$ref": format!("#/components/messages/{key}")});
    keys.iter().map(|key| (key.clone(), refer(key))).collect()
}

fn channels() -> Value {
    let device = json!({"$ref": "#/components/parameters/device"});
    let mut channels = Map::new();
    for topic in Topic::ALL {
        let used = used(topic);
        let channel = json!({
            "address": address(topic),
            "title": used.title,
            "description": used.description,
            "parameters": {"device": device},
            "messages": message_refs(&used.messages),
        });
        channels.insert(used.key.into(), channel);
    }
    let reply = json!({
        "address": null,
        "title": "Answers to commands that named a response topic",
        "description": "The topic is the sender's to choose. It may hold no wildcard, not begin with `$`, not be \
                        below `homeassistant/`, and below `smearscope/` only be the board's `command/reply` or \
                        stand below it; else the answer goes to `command/reply`.",
        "messages": message_refs(&reply_keys()),
    });
    channels.insert("reply".into(), reply);
    let home_assistant = json!({
        "address": "{prefix}/device/{device}/config",
        "title": "Home Assistant device discovery",
        "description": "Only where the board's config asks for it. An empty retained payload takes it back.",
        "parameters": {
            "device": device,
            "prefix": {
                "description": "Where Home Assistant looks for devices.",
                "default": "homeassistant",
            },
        },
        "messages": message_refs(&["homeAssistant".to_owned()]),
    });
    channels.insert("homeAssistant".into(), home_assistant);
    let chunk = json!({
        "address": model_chunk_address(),
        "title": "The bytes of models",
        "description": "The same for all boards. A model's file is cut in chunks of at most 131072 bytes, counted from 0; \
                        a board asks for the few that it needs next, and drops what does not fit the model's SHA-256.",
        "parameters": {
            "sha256": {"description": "SHA-256 of the model's file: 64 hexadecimal digits in small letters."},
            "number": {"description": "Which chunk, from 0, without leading zeros."},
        },
        "messages": message_refs(&["modelChunk".to_owned()]),
    });
    channels.insert("modelChunk".into(), chunk);
    channels.into()
}

fn model_chunk_address() -> &'static str {
    "smearscope/models/{sha256}/{number}"
}

/// What an operation's messages are called where it refers to them.
fn channel_refs(channel: &str, keys: &[String]) -> Vec<Value> {
    let refer = |key: &String| json!({"$ref": format!("#/channels/{channel}/messages/{key}")});
    keys.iter().map(refer).collect()
}

fn operation(action: &str, channel: &str, summary: &str, keys: &[String]) -> Value {
    json!({
        "action": action,
        "channel": {"$ref": format!("#/channels/{channel}")},
        "summary": summary,
        "messages": channel_refs(channel, keys),
    })
}

fn binding(qos: u8, retained: bool, expiry_s: Option<u32>) -> Value {
    let mut mqtt = json!({"qos": qos, "retain": retained, "bindingVersion": BINDING});
    if let Some(seconds) = expiry_s {
        mqtt["messageExpiryInterval"] = json!(seconds);
    }
    json!({"mqtt": mqtt})
}

fn operations() -> Value {
    let mut operations = Map::new();
    for topic in Topic::ALL {
        let used = used(topic);
        let how = binding(used.qos, used.retained, used.expiry_s);
        if topic == Topic::ModelDesired {
            let mut receives = operation("receive", used.key, used.title, &used.messages);
            receives["bindings"] = how;
            operations.insert("receiveModelDesired".into(), receives);
            continue;
        }
        if topic != Topic::Command {
            let mut sends = operation("send", used.key, used.title, &used.messages);
            sends["bindings"] = how;
            operations.insert(format!("send{}", capital(used.key)), sends);
            continue;
        }
        for command in &COMMANDS {
            let request = [request_key(command.name)];
            let mut receives = operation("receive", used.key, command.summary, &request);
            receives["bindings"] = how.clone();
            receives["reply"] = json!({
                "address": {
                    "location": "$message.header#/responseTopic",
                    "description": "The response topic of MQTT 5; without one, `command/reply`. The correlation \
                                    data goes back with the answer.",
                },
                "channel": {"$ref": "#/channels/reply"},
                "messages": channel_refs("reply", &[reply_key(command), "replyRefused".into()]),
            });
            operations.insert(request_key(command.name), receives);
        }
    }
    let title = "The bytes of a model that is desired";
    let mut chunk = operation("receive", "modelChunk", title, &["modelChunk".into()]);
    chunk["bindings"] = binding(1, true, None);
    operations.insert("receiveModelChunk".into(), chunk);
    let title = "So that Home Assistant shows the board";
    let mut discovery = operation("send", "homeAssistant", title, &["homeAssistant".into()]);
    discovery["bindings"] = binding(1, true, None);
    operations.insert("sendHomeAssistant".into(), discovery);
    operations.into()
}

fn capital(key: &str) -> String {
    let (initial, rest) = key.split_at(1);
    format!("{}{rest}", initial.to_uppercase())
}

/// A message whose payload is JSON.
fn message(title: &str, payload: Value) -> Value {
    json!({
        "title": title,
        "contentType": "application/json",
        "payload": payload,
        "bindings": {"mqtt": {
            "payloadFormatIndicator": 1,
            "contentType": "application/json",
            "bindingVersion": BINDING,
        }},
    })
}

fn messages() -> Value {
    let schema = |name: &str| json!({"$ref": json::path(name)});
    let narrower = |name: &str, properties: Value| json!({"allOf": [schema(name), {"type": "object", "properties": properties}]});
    let mut messages = Map::new();
    let mut add = |key: String, message: Value| messages.insert(key, message);

    add("status".into(), message("Status", schema("status")));
    add("field".into(), message("A field", schema("field")));
    add(
        "slide".into(),
        message("The count of a slide", schema("slide")),
    );
    let closed = json!({"closed_at": {
        "type": "string",
        "format": "date-time",
        "description": "When it was closed.",
    }});
    let mut report = narrower("slide", closed);
    report["allOf"][1]["required"] = json!(["closed_at"]);
    add("slideReport".into(), message("A closed slide", report));
    add("health".into(), message("Health", schema("health")));
    add(
        "live".into(),
        message("What the camera sees", schema("live")),
    );
    add(
        "model".into(),
        message("The models of a board", schema("model")),
    );
    add(
        "modelDesired".into(),
        message("A desired model", schema("desired")),
    );
    add("modelChunk".into(), model_chunk());
    add("imageField".into(), picture());
    add("homeAssistant".into(), discovery());

    // Either side may tell by it what belongs together, whatever becomes of MQTT's own correlation data.
    let by_request = json!({"location": "$message.payload#/request_id"});
    for command in &COMMANDS {
        let payload = narrower("command", json!({"command": {"const": command.name}}));
        let mut request = message(command.name, payload);
        request["summary"] = json!(command.summary);
        request["correlationId"] = by_request.clone();
        add(request_key(command.name), request);

        let result = match command.answer() {
            Some(answer) => json!({"$ref": format!("{}#/$defs/{answer}", json::path("reply"))}),
            None => json!({"type": "object"}),
        };
        let payload = narrower("reply", json!({"ok": {"const": true}, "result": result}));
        let mut reply = message("Done", payload);
        reply["correlationId"] = by_request.clone();
        add(reply_key(command), reply);
    }
    let payload = narrower("reply", json!({"ok": {"const": false}}));
    let mut refused = message("Not done", payload);
    refused["correlationId"] = by_request;
    add("replyRefused".into(), refused);
    messages.into()
}

fn picture() -> Value {
    json!({
        "title": "A picture of a field",
        "contentType": "image/jpeg",
        "headers": {
            "type": "object",
            "description": "User properties of MQTT 5.",
            "required": ["field_id"],
            "properties": {"field_id": {
                "type": "string",
                "format": "uuid",
                "description": "The `id` of the field that it shows.",
            }},
        },
        "payload": {"type": "string", "format": "binary", "description": "The bytes of a JPEG file."},
        "bindings": {"mqtt": {"contentType": "image/jpeg", "bindingVersion": BINDING}},
    })
}

fn model_chunk() -> Value {
    json!({
        "title": "A chunk of a model",
        "contentType": "application/octet-stream",
        "payload": {"type": "string", "format": "binary", "description": "1 to 131072 bytes of an .onnx file."},
    })
}

fn discovery() -> Value {
    let part = |description: &str| json!({"type": "object", "description": description});
    let payload = json!({
        "type": "object",
        "description": "In Home Assistant's own form; it has no `schema`.",
        "required": ["device", "origin", "components"],
        "properties": {
            "device": part("The board."),
            "origin": part("The program that says so."),
            "components": part("What can be seen and pressed, by names of the board's own."),
        },
    });
    message("Home Assistant device discovery", payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_has_its_channel_and_an_operation() {
        let document = document();
        let channels = document["channels"].as_object().unwrap();
        let operations = document["operations"].as_object().unwrap();
        for topic in Topic::ALL {
            let (key, channel) = channels
                .iter()
                .find(|(_, channel)| channel["address"] == address(topic))
                .unwrap();
            assert!(!channel["messages"].as_object().unwrap().is_empty());
            let wanted = json!({"$ref": format!("#/channels/{key}")});
            let mut theirs = operations.values().filter(|o| o["channel"] == wanted);
            assert!(theirs.next().is_some(), "{key}");
        }
        assert_eq!(channels.len(), Topic::ALL.len() + 3);
        assert_eq!(operations.len(), Topic::ALL.len() - 1 + COMMANDS.len() + 2);
    }

    #[test]
    fn commands_are_named_without_dots() {
        assert_eq!(camel("slide.start"), "slideStart");
        assert_eq!(camel("ping"), "ping");
    }
}
