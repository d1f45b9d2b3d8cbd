//! Variables of the environment that say something else than the config file: one file for fifty boards, and what differs
//! beside it.
//!
//! `SMEARSCOPE_MQTT_HOST` is the key `host` of `[mqtt]`: no name of a table has a `_`, so the first word is the table and
//! the rest the key. A key of a table inside it follows two of them: `SMEARSCOPE_SOURCE_CONTROLS__GAIN` is `gain` in
//! `[source.controls]`. What begins with another word is not ours to judge.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::fault::Fault;
use super::known::{nearest, tables, top_tables};
use super::reader::KIND;
use super::tree::{Node, Place, Table, Value};

/// What the name of each variable begins with.
const PREFIX: &str = "SMEARSCOPE_";
/// What stands between a table and a key of a table inside it.
const INNER: &str = "__";

/// Variables that set keys of a config.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// The names of those that begin with the name of a table, with their values.
    set: BTreeMap<String, String>,
    /// The names of others that begin with [`PREFIX`].
    others: Vec<String>,
}

impl Overrides {
    /// Those of this program's environment.
    ///
    /// # Errors
    /// A variable for a table whose value is no text.
    pub fn of_environment() -> Result<Self, Fault> {
        Self::of(std::env::vars_os())
    }

    /// Those among variables with their values.
    ///
    /// # Errors
    /// A variable for a table whose value is no text.
    pub fn of(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Self, Fault> {
        let tables = top_tables();
        let mut overrides = Self::default();
        for (name, value) in variables {
            let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else {
                continue;
            };
            let name = format!("{PREFIX}{rest}");
            let table = rest.split('_').next().unwrap_or_default().to_lowercase();
            if !tables.contains(&table.as_str()) {
                overrides.others.push(name);
                continue;
            }
            let value = value.into_string().map_err(|_| {
                let place = Place::Variable(name.clone());
                Fault::sentence(Some(place), "its value is no text in UTF-8")
            })?;
            overrides.set.insert(name, value);
        }
        Ok(overrides)
    }

    /// The variables that are used, with their values.
    pub fn used(&self) -> impl Iterator<Item = (&str, &str)> {
        self.set.iter().map(|(name, value)| (&name[..], &value[..]))
    }

    /// Variables that are passed over, but were probably meant to be used.
    pub fn doubts(&self) -> Vec<String> {
        let tables = top_tables();
        let doubt = |name: &String| {
            let (table, key) = name.strip_prefix(PREFIX)?.split_once('_')?;
            let near = nearest(table, tables.iter().copied())?;
            Some(format!(
                "{name} in the environment is passed over: no table is called so; did you mean {PREFIX}{}_{key}?",
                near.to_uppercase()
            ))
        };
        self.others.iter().filter_map(doubt).collect()
    }

    /// Sets in a config what the variables say.
    ///
    /// # Errors
    /// A variable that names a table but no key.
    pub fn apply(&self, config: &mut Node) -> Result<(), Fault> {
        self.forget_another_source(config.make_table());
        for (name, value) in &self.set {
            let rest = name.strip_prefix(PREFIX).unwrap_or_default().to_lowercase();
            let Some((table, keys)) = rest.split_once('_') else {
                return Err(no_key(name, &rest));
            };
            let mut node = Node::of_variable(name, value);
            for key in keys.rsplit(INNER) {
                let inner = Table::from([(key.to_owned(), node)]);
                node = Node {
                    place: Some(Place::Variable(name.clone())),
                    value: Value::Table(inner),
                };
            }
            let top = Table::from([(table.to_owned(), node)]);
            put(config.make_table(), top);
        }
        Ok(())
    }

    /// A source of another kind is another source: nothing that the file says of its own one is meant for it.
    fn forget_another_source(&self, config: &mut Table) {
        let wanted = self.set.get(&variable(&["source"], KIND));
        let written = config.get("source").and_then(|source| source.get(KIND));
        if let (Some(wanted), Some(Value::Text(written))) = (wanted, written.map(|n| &n.value))
            && wanted.trim_matches('"') != written
        {
            config.remove("source");
        }
    }
}

/// Puts entries into a table: tables into tables, anything else in the place of what is there.
pub(super) fn put(table: &mut Table, entries: Table) {
    for (key, entry) in entries {
        match (table.get_mut(&key), entry) {
            (
                Some(Node {
                    value: Value::Table(there),
                    ..
                }),
                Node {
                    value: Value::Table(inner),
                    ..
                },
            ) => put(there, inner),
            (_, entry) => {
                table.insert(key, entry);
            }
        }
    }
}

/// The variable of a key.
pub fn variable(path: &[&str], key: &str) -> String {
    let words: Vec<_> = path.iter().skip(1).copied().chain([key]).collect();
    let table = path.first().copied().unwrap_or_default();
    format!("{PREFIX}{table}_{}", words.join(INNER)).to_uppercase()
}

fn no_key(name: &str, table: &str) -> Fault {
    let mut known: Vec<_> = tables()
        .iter()
        .filter(|known| known.path == [table])
        .flat_map(|known| known.keys.iter().map(|key| variable(&[table], key)))
        .collect();
    known.sort();
    known.dedup();
    let why = format!(
        "it names a table and no key; known are {}",
        known.join(", ")
    );
    Fault::sentence(Some(Place::Variable(name.to_owned())), why)
}
