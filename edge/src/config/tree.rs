//! A config as it was written: each value with the place where it was set, a line of the file or a variable of the
//! environment, so that whatever turns out to be wrong can be told with it.

use std::collections::BTreeMap;
use std::fmt;

use toml::de::{DeTable, DeValue};

use super::fault::Fault;

/// Where a value was set. Lines come before variables.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A line of the file, counted from 1.
    Line(usize),
    /// A variable of the environment.
    Variable(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Variable(name) => write!(f, "environment variable {name}"),
        }
    }
}

/// A value and where it was set; `None` of the whole config, and of what nobody wrote.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where its key stands.
    pub place: Option<Place>,
    /// What it is.
    pub value: Value,
}

/// A value of TOML, or a word of the environment.
#[derive(Clone, Debug)]
pub enum Value {
    /// A text in quotes. A date is taken as the text that it is: no key asks for one.
    Text(String),
    /// A whole number, wide enough for all that any key can take.
    Integer(i128),
    /// Any other number.
    Float(f64),
    /// True or false.
    Switch(bool),
    /// A list.
    List(Vec<Node>),
    /// Keys with their values.
    Table(Table),
    /// What a variable of the environment holds: what it means depends on what its key wants.
    Word(String),
}

/// The keys of a table with their values.
pub type Table = BTreeMap<String, Node>;

impl Node {
    /// The text of a config.
    ///
    /// # Errors
    /// What is no TOML.
    pub fn of_file(text: &str) -> Result<Self, Fault> {
        let line = |byte: usize| Place::Line(1 + text[..byte].matches('\n').count());
        let table = DeTable::parse(text).map_err(|error| {
            let span = error.span().unwrap_or_default();
            let why = match (error.message(), text.get(span.clone())) {
                ("duplicate key", Some(key)) => format!("`{key}` is there a second time"),
                (message, _) => message.to_owned(),
            };
            Fault::sentence(Some(line(span.start)), why)
        })?;
        let place = |key: std::ops::Range<usize>| line(key.start);
        Ok(Self {
            place: None,
            value: Value::Table(table_of(table.into_inner(), &place)),
        })
    }

    /// What a variable of the environment holds. Tables can be read at once, so that other variables may add to them.
    pub fn of_variable(name: &str, word: &str) -> Self {
        let place = Place::Variable(name.to_owned());
        let value = match DeValue::parse(word).map(toml::Spanned::into_inner) {
            Ok(DeValue::Table(table)) => Value::Table(table_of(table, &|_| place.clone())),
            _ => Value::Word(word.to_owned()),
        };
        Self {
            place: Some(place),
            value,
        }
    }

    /// The table that it is; makes it an empty one, set at the same place, if it is none.
    pub fn make_table(&mut self) -> &mut Table {
        if !matches!(self.value, Value::Table(_)) {
            self.value = Value::Table(Table::new());
        }
        match &mut self.value {
            Value::Table(table) => table,
            _ => unreachable!("made a table above"),
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Table(table) => table.get(key),
            _ => None,
        }
    }
}

impl Value {
    /// What a word of the environment is if it is TOML, else a text.
    pub fn of_word(word: &str) -> Self {
        let place = |_| Place::Variable(String::new());
        match DeValue::parse(word).map(toml::Spanned::into_inner) {
            Err(_) | Ok(DeValue::Datetime(_)) => Self::Text(word.to_owned()),
            Ok(value) => value_of(value, &place),
        }
    }
}

fn table_of(table: DeTable<'_>, place: &impl Fn(std::ops::Range<usize>) -> Place) -> Table {
    let entries = table.into_iter().map(|(key, value)| {
        let node = Node {
            place: Some(place(key.span())),
            value: value_of(value.into_inner(), place),
        };
        (key.into_inner().into_owned(), node)
    });
    entries.collect()
}

fn value_of(value: DeValue<'_>, place: &impl Fn(std::ops::Range<usize>) -> Place) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(number) => {
            let read = i128::from_str_radix(number.as_str(), number.radix());
            // Out of every key's range, however far.
            Value::Integer(read.unwrap_or(i128::MAX))
        }
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(on) => Value::Switch(on),
        DeValue::Datetime(date) => Value::Text(date.to_string()),
        DeValue::Array(items) => {
            let node = |item: toml::Spanned<DeValue<'_>>| Node {
                place: None,
                value: value_of(item.into_inner(), place),
            };
            Value::List(items.into_iter().map(node).collect())
        }
        DeValue::Table(table) => Value::Table(table_of(table, place)),
    }
}
