//! Any text as a config, with any variables of the environment.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use crate::config::{Config, Fault, Overrides, Place};

/// Reads the bytes as a config: one whose values are in their ranges, or a sentence that says where it is wrong. Lines
/// at the beginning that begin with `SMEARSCOPE_` are variables of the environment.
pub fn check(bytes: &[u8]) {
    let mut file = bytes;
    let mut variables = Vec::new();
    while file.starts_with(b"SMEARSCOPE_") {
        let end = file.iter().position(|&b| b == b'\n').unwrap_or(file.len());
        let (line, rest) = (&file[..end], &file[file.len().min(end + 1)..]);
        let mut parts = line.splitn(2, |&b| b == b'=');
        let mut part = || OsString::from_vec(parts.next().unwrap_or_default().to_vec());
        variables.push((part(), part()));
        file = rest;
    }
    let text = String::from_utf8_lossy(file);
    let names: Vec<_> = variables.iter().map(|(name, _)| name.clone()).collect();
    match Overrides::of(variables).and_then(|overrides| Config::parse(&text, &overrides)) {
        Ok(config) => is_sound(&config),
        Err(fault) => is_told(&fault, &text, &names),
    }
}

fn is_sound(config: &Config) {
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
}

fn is_told(fault: &Fault, text: &str, names: &[OsString]) {
    let said = fault.to_string();
    assert!(
        !said.is_empty() && !said.contains(char::is_control),
        "{said:?}"
    );
    match &fault.place {
        Some(Place::Line(line)) => {
            let lines = text.bytes().filter(|&b| b == b'\n').count() + 1;
            assert!((1..=lines).contains(line), "{said} in {lines} lines");
        }
        Some(Place::Variable(name)) => assert!(names.iter().any(|n| n == name.as_str()), "{said}"),
        // Where a whole table is missing there is no line.
        None => assert!(said.contains("is missing in"), "{said:?}"),
    }
}
