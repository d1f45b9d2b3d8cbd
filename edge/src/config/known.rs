//! What a config can hold, asked of its types: no list has to be kept by hand.

use serde::Deserialize;

use super::Config;
use super::fault::{Fault, What};
use super::reader::KIND;
use super::tree::{Node, Table, Value};

/// A key that no table has: a table that is asked for it answers with those that it has.
const NONE_HAS: &str = "?";

/// A table that a config can have. What lets any key be set (`[source.controls]`) is none.
#[derive(Debug)]
pub struct KnownTable {
    /// The keys that lead to it; none for the whole config.
    pub path: Vec<&'static str>,
    /// Of which kind it must be, where there are several.
    pub kind: Option<&'static str>,
    /// The keys that it can have.
    pub keys: Vec<&'static str>,
}

/// All tables, the whole config first.
pub fn tables() -> Vec<KnownTable> {
    let mut tables = Vec::new();
    add(&mut Vec::new(), &mut tables);
    tables
}

/// The tables of a config, without those inside of others.
pub fn top_tables() -> Vec<&'static str> {
    match answer(&[]) {
        What::UnknownKey { known, .. } => known,
        _ => Vec::new(),
    }
}

/// The value of a key that is needed, for asking only.
type Step = (&'static str, Option<&'static str>);

fn add(steps: &mut Vec<Step>, tables: &mut Vec<KnownTable>) {
    match answer(steps) {
        What::UnknownKey { known, .. } => {
            tables.push(KnownTable {
                path: steps.iter().map(|(key, _)| *key).collect(),
                kind: steps.last().and_then(|(_, kind)| *kind),
                keys: known.clone(),
            });
            for key in known.into_iter().filter(|key| *key != KIND) {
                steps.push((key, None));
                add(steps, tables);
                steps.pop();
            }
        }
        What::NoKind(kinds) => {
            for kind in kinds {
                if let Some((_, of)) = steps.last_mut() {
                    *of = Some(kind);
                }
                add(steps, tables);
            }
        }
        _ => {}
    }
}

/// What a config says to a key that none has, in the table to which the steps lead.
fn answer(steps: &[Step]) -> What {
    let node = |value| Node { place: None, value };
    let mut inner = Table::from([(NONE_HAS.to_owned(), node(Value::Switch(true)))]);
    for (key, kind) in steps.iter().rev() {
        if let Some(kind) = kind {
            inner.insert(KIND.to_owned(), node(Value::Text((*kind).to_owned())));
        }
        inner = Table::from([((*key).to_owned(), node(Value::Table(inner)))]);
    }
    match Config::deserialize(&node(Value::Table(inner))) {
        Ok(_) => What::Sentence(String::new()),
        Err(Fault { what, .. }) => what,
    }
}

/// The nearest to a word of those that are known, if one is near enough to be meant.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let word = word.to_lowercase();
    let known: Vec<_> = known.into_iter().collect();
    let distance = |of: &&str| strsim::osa_distance(&word, of);
    // One slip in a short word, one in four letters of a long one.
    let is_near = |of: &&str| distance(of) <= (of.chars().count() / 4).max(1);
    let near = known.iter().copied().filter(is_near).min_by_key(distance);
    // Or the beginning of one: `password` for `password_file`.
    let begun = || {
        known
            .into_iter()
            .find(|of| word.len() > 1 && of.starts_with(&word))
    };
    near.or_else(begun)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_types_tell_their_tables_and_keys() {
        let tables = tables();
        let keys = |path: &[&str], kind: Option<&str>| {
            let table = tables
                .iter()
                .find(|table| table.path == path && table.kind == kind);
            table.map(|table| table.keys.clone()).unwrap_or_default()
        };
        let top = keys(&[], None);
        assert_eq!(top, top_tables());
        assert!(top.contains(&"device") && top.contains(&"mqtt"), "{top:?}");
        assert_eq!(keys(&["device"], None), ["id"]);
        assert_eq!(
            keys(&["source"], Some("replay")),
            ["kind", "folder", "repeat", "interval_ms"]
        );
        assert!(keys(&["source"], Some("camera")).contains(&"controls"));
        assert!(keys(&["source", "smear"], None).contains(&"cell_diameter"));
        for table in &tables {
            assert!(!table.keys.contains(&NONE_HAS), "{table:?}");
            // Names of variables are told apart by it.
            assert!(!table.path.first().is_some_and(|name| name.contains('_')));
        }
    }

    #[test]
    fn a_slip_is_told_from_another_word() {
        let known = ["host", "port", "password_file", "tls", "tcp"];
        for (word, meant) in [
            ("hots", Some("host")),
            ("HOST", Some("host")),
            ("tsl", Some("tls")),
            ("pasword_fil", Some("password_file")),
            ("password", Some("password_file")),
            ("p", None),
            ("server", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), meant, "{word}");
        }
        assert_eq!(nearest("a", []), None);
    }
}
