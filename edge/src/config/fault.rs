//! What is wrong with a config, in one sentence: where, what, and what was probably meant.

use std::fmt;

use serde::de::{Error, Expected, Unexpected};

use super::known::nearest;
use super::meant::UnknownKey;
use super::overrides::variable;
use super::tree::Place;

/// What is wrong with a config, and where. Its `Display` is one line.
#[derive(Debug)]
pub struct Fault {
    /// Where, if that is one place.
    pub place: Option<Place>,
    /// The keys that lead to the value that is wrong, or to the table with the wrong key.
    pub keys: Vec<String>,
    /// What.
    pub what: What,
}

/// What is wrong.
#[derive(Debug)]
pub enum What {
    /// A table hasn't this key.
    UnknownKey {
        /// The key.
        key: String,
        /// Whether it was set to a table.
        is_table: bool,
        /// The keys that the table has.
        known: Vec<&'static str>,
    },
    /// A value must be one of a few words.
    NotOneOf {
        /// What it is.
        found: String,
        /// The words.
        known: &'static [&'static str],
    },
    /// A table needs this key.
    NoKey(&'static str),
    /// A table must say of which of these kinds it is.
    NoKind(&'static [&'static str]),
    /// A value is of another type or out of the range of its type.
    NotA {
        /// What it is.
        found: String,
        /// What it must be.
        wanted: String,
    },
    /// What a type says of a value.
    Unfit(String),
    /// A whole sentence.
    Sentence(String),
}

impl From<What> for Fault {
    fn from(what: What) -> Self {
        Self {
            place: None,
            keys: Vec::new(),
            what,
        }
    }
}

impl Fault {
    /// A whole sentence about a place.
    pub fn sentence(place: Option<Place>, why: impl Into<String>) -> Self {
        Self::from(What::Sentence(why.into())).at(place.as_ref())
    }

    /// A value that is none of a few words.
    pub fn not_one_of(found: String, known: &'static [&'static str]) -> Self {
        What::NotOneOf { found, known }.into()
    }

    /// The same at a place, unless a nearer one is known.
    pub fn at(mut self, place: Option<&Place>) -> Self {
        self.place = self.place.or_else(|| place.cloned());
        self
    }

    /// The same seen from the table in which the value stands.
    pub fn below(mut self, key: &str) -> Self {
        self.keys.insert(0, key.to_owned());
        self
    }

    /// What is wrong, without the place.
    fn why(&self) -> String {
        match &self.what {
            What::UnknownKey {
                key,
                is_table,
                known,
            } => {
                let what = match (&self.keys[..], is_table) {
                    ([], true) => format!("unknown table [{key}]"),
                    ([], false) => format!("unknown key `{key}` outside of all tables"),
                    (path, _) => format!("unknown key `{key}` in [{}]", path.join(".")),
                };
                let unknown = UnknownKey {
                    key,
                    is_table: *is_table,
                    known,
                    path: &self.path(),
                    of_variable: matches!(self.place, Some(Place::Variable(_))),
                };
                format!("{what}; {}", unknown.meant())
            }
            What::NotOneOf { found, known } => {
                let quoted: Vec<_> = known.iter().map(|word| format!("{word:?}")).collect();
                let must = format!(
                    "{} is {found}, but must be {}",
                    self.value(),
                    any_of(&quoted)
                );
                let word = found.trim_matches('"');
                match nearest(word, known.iter().copied()) {
                    Some(near) => format!("{must}; did you mean {near:?}?"),
                    None => must,
                }
            }
            What::NoKey(key) => self.missing(key, "it"),
            What::NoKind(kinds) => {
                let quoted: Vec<_> = kinds.iter().map(|kind| format!("{kind:?}")).collect();
                self.missing("kind", &any_of(&quoted))
            }
            What::NotA { found, wanted } => {
                format!("{} is {found}, but must be {wanted}", self.value())
            }
            What::Unfit(why) if self.keys.is_empty() => why.clone(),
            What::Unfit(why) => format!("{}: {why}", self.value()),
            What::Sentence(why) => why.clone(),
        }
    }

    /// A key that a table needs, and the two ways to set it.
    fn missing(&self, key: &str, what: &str) -> String {
        let path = self.path();
        let name = variable(&path, key);
        let table = path.join(".");
        format!(
            "`{key}` is missing in [{table}]: write {what} there, or set {name} in the environment"
        )
    }

    fn path(&self) -> Vec<&str> {
        self.keys.iter().map(String::as_str).collect()
    }

    /// How the value that is wrong is called.
    fn value(&self) -> String {
        match &self.keys[..] {
            [] => "the config".to_owned(),
            [table] => format!("[{table}]"),
            [path @ .., key] => format!("`{key}` in [{}]", path.join(".")),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place.as_ref().map(|place| format!("{place}: "));
        let said = place.unwrap_or_default() + &self.why();
        // It may quote a key of the file, whatever that is.
        f.write_str(&said.replace(char::is_control, " "))
    }
}

impl std::error::Error for Fault {}

impl Error for Fault {
    fn custom<T: fmt::Display>(why: T) -> Self {
        What::Unfit(why.to_string()).into()
    }

    fn invalid_type(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        let (found, wanted) = (in_words(found), wanted_in_words(&wanted.to_string()));
        What::NotA { found, wanted }.into()
    }

    fn invalid_value(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::invalid_type(found, wanted)
    }

    fn unknown_variant(found: &str, known: &'static [&'static str]) -> Self {
        Self::not_one_of(format!("{found:?}"), known)
    }

    fn unknown_field(key: &str, known: &'static [&'static str]) -> Self {
        What::UnknownKey {
            key: key.to_owned(),
            is_table: false,
            known: known.to_vec(),
        }
        .into()
    }

    fn missing_field(key: &'static str) -> Self {
        What::NoKey(key).into()
    }
}

/// A value as people call it.
pub fn in_words(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(on) => on.to_string(),
        Unexpected::Signed(number) => number.to_string(),
        Unexpected::Unsigned(number) => number.to_string(),
        Unexpected::Float(number) => number.to_string(),
        Unexpected::Str(text) => format!("{text:?}"),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a table".to_owned(),
        Unexpected::UnitVariant => "a text".to_owned(),
        other => other.to_string(),
    }
}

/// What a type wants, as people call it; serde names Rust's types.
fn wanted_in_words(wanted: &str) -> String {
    let whole = |most: u64| format!("a whole number from 0 to {most}");
    match wanted {
        "a boolean" => "true or false".to_owned(),
        "a string" | "path string" => "a text in quotes".to_owned(),
        "u8" => whole(u8::MAX.into()),
        "u16" => whole(u16::MAX.into()),
        "u32" => whole(u32::MAX.into()),
        "u64" | "usize" => "a whole number, 0 or more".to_owned(),
        "a nonzero usize" => "a whole number, 1 or more".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "newtype variant" | "a map" => "a table".to_owned(),
        other => other.to_owned(),
    }
}

/// "a, b or c".
pub fn any_of(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [word] => word.clone(),
        [words @ .., last] => format!("{} or {last}", words.join(", ")),
    }
}
