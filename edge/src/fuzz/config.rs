//! Any text as a config.

use crate::config::{Config, Source};

/// Reads the bytes as a config: one whose values are in their ranges, or a sentence that says where it is wrong.
pub fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match Config::parse(&text) {
        Ok(config) => {
            let address = config.mqtt.address().expect("a host and a port");
            assert!(address.port > 0 && !address.host.is_empty());
            assert_eq!(address.to_string().parse().ok(), Some(address));
            assert!(config.mqtt.password_file.is_none() || config.mqtt.username.is_some());
            assert!((1..=100).contains(&config.image.quality));
            assert!(config.store.max_mb >= 16);
            assert!(config.model.workers.is_none_or(|workers| workers.get() > 0));
            let id = config.device.id.to_string();
            assert!(
                (1..=64).contains(&id.len())
                    && id
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)),
                "{id:?}"
            );
            config.source.interval();
            if let Source::Replay(replay) = &config.source {
                assert!(text.contains("folder"), "{replay:?}");
            }
        }
        Err(said) => {
            assert!(
                !said.is_empty() && !said.contains(char::is_control),
                "{said:?}"
            );
            // Where a whole table is missing there is no line; where a key is written in an unusual way, its name.
            match said.strip_prefix("line ") {
                Some(rest) => {
                    let digits = rest.split(':').next().unwrap_or_default();
                    let line: usize = digits.parse().expect("a line's number");
                    let lines = text.bytes().filter(|&b| b == b'\n').count() + 1;
                    assert!((1..=lines).contains(&line), "{said} in {lines} lines");
                }
                None => assert!(
                    said.starts_with("missing field `") || said.starts_with("key `"),
                    "{said:?}"
                ),
            }
        }
    }
}
