// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! A serde deserializer over [`Node`], whose errors say where.
//!
//! A scalar is whatever the target asks for: `12` is the text "12" for a
//! string and the number 12 for an integer. A target that does not ask
//! (`deserialize_any`) gets text. Null is an empty list or mapping where one
//! of those is wanted.

use std::fmt;
use std::slice;

use serde::de::{
    self, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, Visitor,
};

use super::node::{Key, Node, Place, Segment, Value};
use super::suggest::suggest;

/// Why a tree is not a recipe.
#[derive(Debug)]
pub(super) struct DecodeError {
    place: Option<Place>,
    /// Innermost first, while it travels up.
    path: Vec<Segment>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Message(String),
    Unknown {
        field: String,
        known: &'static [&'static str],
    },
    Missing(&'static str),
}

impl DecodeError {
    fn placed(mut self, place: &Place) -> Self {
        self.place.get_or_insert_with(|| place.clone());
        self
    }

    fn below(mut self, segment: Segment) -> Self {
        self.path.push(segment);
        self
    }
}

/// Writes a path the way people do: `files[2].mode`.
pub(super) fn write_path<'a>(
    path: impl Iterator<Item = &'a Segment>,
) -> String {
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Index(index) => text.push_str(&format!("[{index}]")),
            Segment::Key(key) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(key);
            }
        }
    }
    text
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        let path = write_path(self.path.iter().rev());
        let within = match path.as_str() {
            "" => String::new(),
            path => format!(" in {path}"),
        };
        match &self.kind {
            Kind::Message(message) if path.is_empty() => f.write_str(message),
            Kind::Message(message) => write!(f, "{path}: {message}"),
            Kind::Missing(field) => {
                write!(f, "the field `{field}` is missing{within}")
            }
            Kind::Unknown { field, known } => {
                write!(f, "unknown field `{field}`{within}; ")?;
                match suggest(field, known.iter().copied()) {
                    Some(meant) => write!(f, "did you mean `{meant}`?"),
                    None => write!(f, "known are {}", known.join(", ")),
                }
            }
        }
    }
}

impl std::error::Error for DecodeError {}

impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self {
            place: None,
            path: Vec::new(),
            kind: Kind::Message(message.to_string()),
        }
    }

    fn invalid_type(found: Unexpected<'_>, wanted: &dyn de::Expected) -> Self {
        Self::custom(format_args!("{} where {wanted} is wanted", Found(found)))
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        Self {
            place: None,
            path: Vec::new(),
            kind: Kind::Unknown {
                field: field.to_owned(),
                known,
            },
        }
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        let meant = match suggest(variant, known.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("known are {}", known.join(", ")),
        };
        let variant = variant.escape_debug();
        Self::custom(format_args!("unknown value `{variant}`; {meant}"))
    }

    fn missing_field(field: &'static str) -> Self {
        Self {
            place: None,
            path: Vec::new(),
            kind: Kind::Missing(field),
        }
    }
}

/// What was found, in the words of YAML.
struct Found<'a>(Unexpected<'a>);

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Unexpected::Str(text) => write!(f, "the text `{text}`"),
            Unexpected::Seq => f.write_str("a list"),
            Unexpected::Map => f.write_str("a mapping"),
            Unexpected::Unit | Unexpected::Option => f.write_str("nothing"),
            other => other.fmt(f),
        }
    }
}

type Result<T> = std::result::Result<T, DecodeError>;

impl Node {
    fn unexpected(&self) -> Unexpected<'_> {
        match &self.value {
            _ if self.is_null() => Unexpected::Unit,
            Value::Scalar { text, .. } => Unexpected::Str(text),
            Value::List(_) => Unexpected::Seq,
            Value::Map(_) => Unexpected::Map,
        }
    }

    fn mismatch(&self, wanted: &dyn de::Expected) -> DecodeError {
        <DecodeError as de::Error>::invalid_type(self.unexpected(), wanted)
            .placed(&self.place)
    }

    fn plain(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, plain: true } => Some(text),
            _ => None,
        }
    }
}

macro_rules! integers {
    ($($method:ident $visit:ident $type:ty),* $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            let Some(number) = self.plain().and_then(|t| t.parse().ok())
            else {
                return Err(self.mismatch(&visitor));
            };
            visitor
                .$visit::<DecodeError>(number)
                .map_err(|error| error.placed(&self.place))
        }
    )*};
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let value = match &self.value {
            _ if self.is_null() => visitor.visit_unit(),
            Value::Scalar { text, .. } => visitor.visit_borrowed_str(text),
            Value::List(items) => visitor.visit_seq(List::new(items)),
            Value::Map(entries) => visitor.visit_map(Map::new(entries)),
        };
        value.map_err(|error| error.placed(&self.place))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let value = match self.plain() {
            Some("true" | "True" | "TRUE") => visitor.visit_bool(true),
            Some("false" | "False" | "FALSE") => visitor.visit_bool(false),
            _ => return Err(self.mismatch(&"true or false")),
        };
        value.map_err(|error: DecodeError| error.placed(&self.place))
    }

    integers! {
        deserialize_i8 visit_i8 i8, deserialize_i16 visit_i16 i16,
        deserialize_i32 visit_i32 i32, deserialize_i64 visit_i64 i64,
        deserialize_u8 visit_u8 u8, deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32, deserialize_u64 visit_u64 u64,
        deserialize_f32 visit_f32 f32, deserialize_f64 visit_f64 f64,
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match &self.value {
            Value::Scalar { text, .. } if !self.is_null() => visitor
                .visit_borrowed_str::<DecodeError>(text)
                .map_err(|error| error.placed(&self.place)),
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(
        self,
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(
        self,
        visitor: V,
    ) -> Result<V::Value> {
        if self.is_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let value = match &self.value {
            Value::List(items) => visitor.visit_seq(List::new(items)),
            _ if self.is_null() => visitor.visit_seq(List::new(&[])),
            _ => return Err(self.mismatch(&"a list")),
        };
        value.map_err(|error| error.placed(&self.place))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let value = match &self.value {
            Value::Map(entries) => visitor.visit_map(Map::new(entries)),
            _ if self.is_null() => visitor.visit_map(Map::new(&[])),
            _ => return Err(self.mismatch(&"a mapping")),
        };
        value.map_err(|error| error.placed(&self.place))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_map(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        visitor
            .visit_newtype_struct(self)
            .map_err(|error| error.placed(&self.place))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        let Value::Scalar { text, .. } = &self.value else {
            return Err(self.mismatch(&visitor));
        };
        visitor
            .visit_enum(text.as_str().into_deserializer())
            .map_err(|error: DecodeError| error.placed(&self.place))
    }

    serde::forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple
        tuple_struct identifier ignored_any
    }
}

struct List<'de> {
    items: std::iter::Enumerate<slice::Iter<'de, Node>>,
}

impl<'de> List<'de> {
    fn new(items: &'de [Node]) -> Self {
        Self {
            items: items.iter().enumerate(),
        }
    }
}

impl<'de> SeqAccess<'de> for List<'de> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>> {
        let Some((index, item)) = self.items.next() else {
            return Ok(None);
        };
        seed.deserialize(item).map(Some).map_err(|error| {
            error.placed(&item.place).below(Segment::Index(index))
        })
    }
}

struct Map<'de> {
    entries: slice::Iter<'de, (Key, Node)>,
    current: Option<&'de (Key, Node)>,
}

impl<'de> Map<'de> {
    fn new(entries: &'de [(Key, Node)]) -> Self {
        Self {
            entries: entries.iter(),
            current: None,
        }
    }
}

impl<'de> MapAccess<'de> for Map<'de> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>> {
        self.current = self.entries.next();
        let Some((key, _)) = self.current else {
            return Ok(None);
        };
        seed.deserialize(key.text.as_str().into_deserializer())
            .map(Some)
            .map_err(|error: DecodeError| error.placed(&key.place))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value> {
        let Some((key, value)) = self.current else {
            return Err(de::Error::custom("a value before its key"));
        };
        seed.deserialize(value).map_err(|error| {
            let error = error.placed(&value.place);
            error.below(Segment::Key(key.text.clone()))
        })
    }
}
