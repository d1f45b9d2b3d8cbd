//! What an unknown key was probably meant to be.

use super::fault::any_of;
use super::known::{KnownTable, nearest, tables};
use super::overrides::variable;

/// A key that its table hasn't.
pub struct UnknownKey<'f> {
    /// The key.
    pub key: &'f str,
    /// Whether it was set to a table.
    pub is_table: bool,
    /// The keys of the table.
    pub known: &'f [&'static str],
    /// The keys that lead to the table.
    pub path: &'f [&'f str],
    /// Whether a variable of the environment has set it, and is what can be mended.
    pub of_variable: bool,
}

impl UnknownKey<'_> {
    /// What to write instead, as the second half of a sentence; else what there is to choose from.
    pub fn meant(&self) -> String {
        let tables = tables();
        self.of_another_kind(&tables)
            .or_else(|| self.of_another_table(&tables))
            .or_else(|| self.misspelt())
            .or_else(|| self.misspelt_without_a_table(&tables))
            .unwrap_or_else(|| {
                let known: Vec<_> = self.known.iter().map(|key| self.name(key)).collect();
                format!("known are {}", known.join(", "))
            })
    }

    fn of_another_kind(&self, tables: &[KnownTable]) -> Option<String> {
        let has_it =
            |table: &&KnownTable| table.path == self.path && table.keys.contains(&self.key);
        let kind = tables.iter().find(has_it)?.kind?;
        Some(format!("it belongs to `kind = {kind:?}`"))
    }

    /// By this very name. A table that stands at the top is told from a key that stands there.
    fn of_another_table(&self, tables: &[KnownTable]) -> Option<String> {
        let is_top_table = self.is_table && self.path.is_empty();
        let having_it = tables
            .iter()
            .filter(|table| !table.path.is_empty() && table.keys.contains(&self.key));
        let mut names: Vec<_> = having_it
            .map(|KnownTable { path, .. }| match path.join(".") {
                _ if self.of_variable => variable(path, self.key),
                path if is_top_table => format!("[{path}.{}]", self.key),
                path => format!("[{path}]"),
            })
            .collect();
        // A table of several kinds is there several times.
        names.dedup();
        let any = (!names.is_empty()).then(|| any_of(&names))?;
        Some(if self.of_variable || is_top_table {
            format!("did you mean {any}?")
        } else {
            format!("it belongs into {any}")
        })
    }

    fn misspelt(&self) -> Option<String> {
        let near = nearest(self.key, self.known.iter().copied())?;
        Some(format!("did you mean {}?", self.name(near)))
    }

    fn misspelt_without_a_table(&self, tables: &[KnownTable]) -> Option<String> {
        if self.is_table || !self.path.is_empty() {
            return None;
        }
        tables.iter().skip(1).find_map(|table| {
            let near = nearest(self.key, table.keys.iter().copied())?;
            let path = table.path.join(".");
            Some(format!("did you mean `{near}` in [{path}]?"))
        })
    }

    /// A key of the same table as it would be written.
    fn name(&self, key: &str) -> String {
        if self.of_variable {
            variable(self.path, key)
        } else if self.path.is_empty() {
            format!("[{key}]")
        } else {
            format!("`{key}`")
        }
    }
}
