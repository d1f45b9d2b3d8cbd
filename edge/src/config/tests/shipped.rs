//! The configs that the package brings.

use super::environment::with;
use super::*;

/// A line of the config that is shipped: the key, its value, and what stands before it.
struct Shipped<'t> {
    table: &'t str,
    kind: &'t str,
    mark: &'t str,
    key: &'t str,
    line: &'t str,
}

/// The keys of `edge.toml`, whether they are set, or stand there as a default or as an example.
fn shipped() -> Vec<Shipped<'static>> {
    let text = include_str!("../../../../systemd/edge.toml");
    let (mut table, mut kind) = ("", "camera");
    let mut keys = Vec::new();
    for whole in text.lines() {
        let line = whole.trim_start_matches('#');
        let mark = &whole[..whole.len() - line.len()];
        if let Some(header) = line.strip_prefix('[') {
            table = header.strip_suffix(']').unwrap();
        } else if let Some((key, value)) = line.split_once(" = ")
            && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
        {
            if key == "kind" {
                kind = value.trim_matches('"');
            }
            keys.push(Shipped {
                table,
                kind,
                mark,
                key,
                line,
            });
        }
    }
    keys
}

/// What is needed for a source of a kind.
fn needed(kind: &str) -> String {
    let folder = if kind == "replay" {
        "folder = \"needed\"\n"
    } else {
        ""
    };
    format!("[device]\nid = \"needed\"\n[source]\nkind = \"{kind}\"\n{folder}")
}

#[test]
fn the_shipped_config_has_every_key_and_no_other() {
    let shipped = shipped();
    let mut wanted = 0;
    for table in known::tables()
        .iter()
        .filter(|table| !table.path.is_empty())
    {
        let name = table.path.join(".");
        for key in &table.keys {
            let inner = format!("{name}.{key}");
            // A table inside it stands there with keys of its own.
            let is_there = shipped.iter().any(|at| {
                at.table == inner
                    || (at.table == name
                        && at.key == *key
                        && table.kind.is_none_or(|kind| kind == at.kind))
            });
            assert!(
                is_there,
                "systemd/edge.toml lacks `{key}` of [{name}] {:?}",
                table.kind
            );
            wanted += usize::from(!shipped.iter().any(|at| at.table == inner));
        }
    }
    // Controls are the camera's, and any may be set.
    let others = shipped
        .iter()
        .filter(|at| at.table == "source.controls")
        .count();
    assert_eq!(
        shipped.len() - others,
        wanted,
        "a key stands in systemd/edge.toml twice"
    );
}

#[test]
fn what_the_shipped_config_calls_a_default_is_the_default() {
    for Shipped {
        table,
        kind,
        mark,
        key,
        line,
    } in shipped()
    {
        if key == "kind" {
            continue;
        }
        let base = Node::of_file(&needed(kind));
        let of = |node: &mut Node| format!("{:?}", Config::of(node).unwrap());
        let default = of(&mut base.unwrap());
        // The same with this key.
        let mut with = Node::of_file(&needed(kind)).unwrap();
        let mut set = Node::of_file(&format!("[{table}]\n{line}\n")).unwrap();
        overrides::put(with.make_table(), std::mem::take(set.make_table()));
        let changed = of(&mut with);
        let is_optional = default.contains(&format!("{key}: None"))
            || ["id", "folder"].contains(&key)
            || table == "source.controls";
        match mark {
            "#" => assert_eq!(changed, default, "[{table}] {line}"),
            "##" => assert!(
                is_optional && changed != default,
                "[{table}] {line} is a default"
            ),
            _ => panic!("[{table}] {line}: set, or neither a default nor an example"),
        }
    }
}

#[test]
fn the_shipped_configs_lack_nothing_but_a_name() {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../systemd");
    let presets = std::fs::read_dir(Path::new(shipped).join("presets")).unwrap();
    let mut files: Vec<_> = presets.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 5);
    files.push(Path::new(shipped).join("edge.toml"));
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let config = with(&text, &[("SMEARSCOPE_DEVICE_ID", "scope-17")]).unwrap();
        assert_eq!(config.device.id.to_string(), "scope-17");
        assert!(
            matches!(config.source, Source::Camera(_)),
            "{}",
            file.display()
        );
        let nameless = error(&text);
        assert!(nameless.contains("set SMEARSCOPE_DEVICE_ID"), "{nameless}");
        // What stands behind a # is right, too.
        for line in text
            .lines()
            .filter(|line| line.starts_with("#id = ") || line.starts_with("##id = "))
        {
            let named = text.replacen(line, line.trim_start_matches('#'), 1);
            assert_eq!(parsed(&named).device.id.to_string(), "scope-1");
        }
    }
}
