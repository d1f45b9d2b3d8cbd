//! How serde reads a config that was written ([`Node`]). Ours and not toml's own: that one knows no variables of the
//! environment and tells what is wrong as finished English only. Here [`Fault`] gets it in parts, the known keys among
//! them, which so come from the types and from nowhere else, and everything has its place.

use serde::de::value::{MapAccessDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer, MapAccess, Unexpected,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::fault::{Fault, What, in_words};
use super::tree::{Node, Table, Value};

/// The key by which the kinds of a table are told apart.
pub const KIND: &str = "kind";

impl<'de> Deserializer<'de> for &Node {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.place_of(match &self.value {
            Value::Word(word) => read(&Value::of_word(word), visitor),
            value => read(value, visitor),
        })
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.text() {
            Some(text) => self.place_of(visitor.visit_string(text)),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    /// Derived types would take a list for a table, too: `[[mqtt]]` as `[mqtt]` by the order of its keys.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _keys: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.value {
            Value::Table(_) => self.deserialize_any(visitor),
            value => {
                let fault = Fault::invalid_type(value.unexpected(), &"a map");
                self.place_of(Err(fault))
            }
        }
    }

    /// A text is a variant without more; a table is told apart by its `kind`.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.place_of(match (self.text(), &self.value) {
            (Some(text), _) => {
                let name: StrDeserializer<'_, Fault> = text.as_str().into_deserializer();
                visitor.visit_enum(name)
            }
            (None, Value::Table(table)) => match table.get(KIND) {
                Some(kind) => visitor.visit_enum(OfKind {
                    kind,
                    variants,
                    table,
                }),
                None => Err(Fault::from(What::NoKind(variants))),
            },
            (None, value) => Err(Fault::not_one_of(in_words(value.unexpected()), variants)),
        })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct seq tuple tuple_struct
        map identifier ignored_any
    }
}

impl Node {
    /// Says where it went wrong, if nothing further inside has.
    fn place_of<T>(&self, read: Result<T, Fault>) -> Result<T, Fault> {
        read.map_err(|fault| fault.at(self.place.as_ref()))
    }

    /// A text; a word of the environment is one as it is, or without the quotes that TOML would want.
    fn text(&self) -> Option<String> {
        match &self.value {
            Value::Text(text) => Some(text.clone()),
            Value::Word(word) => match Value::of_word(word) {
                Value::Text(text) => Some(text),
                _ => Some(word.clone()),
            },
            _ => None,
        }
    }
}

impl Value {
    fn unexpected(&self) -> Unexpected<'_> {
        match self {
            Self::Text(text) | Self::Word(text) => Unexpected::Str(text),
            Self::Integer(number) => match i64::try_from(*number) {
                Ok(number) => Unexpected::Signed(number),
                Err(_) => Unexpected::Other("a number of too many digits"),
            },
            Self::Float(number) => Unexpected::Float(*number),
            Self::Switch(on) => Unexpected::Bool(*on),
            Self::List(_) => Unexpected::Seq,
            Self::Table(_) => Unexpected::Map,
        }
    }
}

fn read<'de, V: Visitor<'de>>(value: &Value, visitor: V) -> Result<V::Value, Fault> {
    match value {
        Value::Text(text) | Value::Word(text) => visitor.visit_str(text),
        Value::Integer(number) => match (i64::try_from(*number), u64::try_from(*number)) {
            (Ok(number), _) => visitor.visit_i64(number),
            (_, Ok(number)) => visitor.visit_u64(number),
            _ => Err(Fault::invalid_value(value.unexpected(), &visitor)),
        },
        Value::Float(number) => visitor.visit_f64(*number),
        Value::Switch(on) => visitor.visit_bool(*on),
        Value::List(items) => visitor.visit_seq(SeqDeserializer::new(items.iter())),
        Value::Table(table) => visitor.visit_map(Entries::of(table, None)),
    }
}

impl<'n> IntoDeserializer<'_, Fault> for &'n Node {
    type Deserializer = &'n Node;

    fn into_deserializer(self) -> Self::Deserializer {
        self
    }
}

/// The entries of a table in the order in which they were written, so that the first mistake is told first.
struct Entries<'n> {
    left: std::vec::IntoIter<(&'n str, &'n Node)>,
    value: Option<(&'n str, &'n Node)>,
}

impl<'n> Entries<'n> {
    fn of(table: &'n Table, without: Option<&str>) -> Self {
        let entries = table.iter().map(|(key, node)| (key.as_str(), node));
        let mut left: Vec<_> = entries.filter(|(key, _)| Some(*key) != without).collect();
        left.sort_by_key(|(_, node)| &node.place);
        Self {
            left: left.into_iter(),
            value: None,
        }
    }
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        self.value = self.left.next();
        let Some((key, node)) = self.value else {
            return Ok(None);
        };
        let name: StrDeserializer<'_, Fault> = key.into_deserializer();
        let read = seed.deserialize(name).map_err(|mut fault| {
            if let What::UnknownKey { is_table, .. } = &mut fault.what {
                *is_table = matches!(node.value, Value::Table(_));
            }
            fault
        });
        node.place_of(read.map(Some))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let (key, node) = self.value.take().expect("serde asks for a key first");
        node.place_of(seed.deserialize(node))
            .map_err(|fault| fault.below(key))
    }
}

/// A table that says of which kind it is.
struct OfKind<'n> {
    kind: &'n Node,
    variants: &'static [&'static str],
    table: &'n Table,
}

impl<'de, 'n> EnumAccess<'de> for OfKind<'n> {
    type Error = Fault;
    type Variant = Entries<'n>;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self::Variant), Fault> {
        let variant = match self.kind.text() {
            Some(kind) => {
                let name: StrDeserializer<'_, Fault> = kind.as_str().into_deserializer();
                seed.deserialize(name)
            }
            None => {
                let found = in_words(self.kind.value.unexpected());
                Err(Fault::not_one_of(found, self.variants))
            }
        };
        let variant = self
            .kind
            .place_of(variant)
            .map_err(|fault| fault.below(KIND))?;
        Ok((variant, Entries::of(self.table, Some(KIND))))
    }
}

impl<'de> VariantAccess<'de> for Entries<'_> {
    type Error = Fault;

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        let read = seed.deserialize(MapAccessDeserializer::new(self));
        read.map_err(|mut fault| {
            let is_here = fault.keys.is_empty();
            if let (What::UnknownKey { known, .. }, true) = (&mut fault.what, is_here) {
                known.insert(0, KIND);
            }
            fault
        })
    }

    fn unit_variant(self) -> Result<(), Fault> {
        Err(Fault::invalid_type(Unexpected::Map, &"a string"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Fault> {
        Err(Fault::invalid_type(Unexpected::Map, &visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_map(self)
    }
}
