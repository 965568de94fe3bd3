// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Steps as a recipe has them: one-key mappings, or bare names.

use std::fmt;

use serde::de::{
    self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor,
};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Hold, Operation, Repository, Step, unknown};

impl Serialize for Step {
    fn serialize<S: Serializer>(
        &self,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        match self {
            Self::Install(packages) => {
                map.serialize_entry(self.name(), packages)?;
            }
            Self::Uninstall(packages) => {
                map.serialize_entry(self.name(), packages)?;
            }
            Self::Repository(repository) => {
                map.serialize_entry(self.name(), repository)?;
            }
            Self::Update => map.serialize_entry(self.name(), &())?,
            _ => map.serialize_entry(self.name(), &self.argument())?,
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StepVisitor)
    }
}

struct StepVisitor;

impl<'de> Visitor<'de> for StepVisitor {
    type Value = Step;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a step such as `run-command: update-grub`")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Step, E> {
        match Operation::find(name) {
            None => Err(E::custom(unknown(name).message())),
            Some(operation) if operation.takes_argument() => {
                Err(E::custom(format_args!(
                    "{name} needs an argument: `{name}: {}`",
                    operation.argument
                )))
            }
            Some(_) => Step::parse(name, "")
                .map_err(|error| E::custom(error.message())),
        }
    }

    fn visit_map<A: MapAccess<'de>>(
        self,
        mut map: A,
    ) -> Result<Step, A::Error> {
        let Some(name) = map.next_key_seed(KnownName)? else {
            return Err(de::Error::custom("an empty step"));
        };
        let step = map.next_value_seed(Argument(name))?;
        if map.next_key::<String>()?.is_some() {
            return Err(de::Error::custom(format_args!(
                "two operations in one step; begin the second with its own `-` \
                 after {name}"
            )));
        }
        Ok(step)
    }
}

/// The key of a step; fails where the key stands.
struct KnownName;

impl<'de> de::DeserializeSeed<'de> for KnownName {
    type Value = &'static str;

    fn deserialize<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<&'static str, D::Error> {
        let name = String::deserialize(deserializer)?;
        match Operation::find(&name) {
            Some(operation) => Ok(operation.name),
            None => Err(de::Error::custom(unknown(&name).message())),
        }
    }
}

/// The value of a step with this name; fails where the value stands.
struct Argument(&'static str);

impl<'de> de::DeserializeSeed<'de> for Argument {
    type Value = Step;

    fn deserialize<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Step, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Argument {
    type Value = Step;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Operation::find(self.0) {
            Some(operation) if operation.takes_argument() => {
                write!(f, "{}", operation.argument)
            }
            _ => f.write_str("nothing"),
        }
    }

    fn visit_unit<E: de::Error>(self) -> Result<Step, E> {
        match Operation::find(self.0) {
            Some(operation) if operation.takes_argument() => {
                Err(E::invalid_type(de::Unexpected::Unit, &self))
            }
            _ => self.visit_str(""),
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Step, E> {
        let operation = Operation::find(self.0)
            .ok_or_else(|| E::custom(unknown(self.0).message()))?;
        if !operation.takes_argument() && !text.is_empty() {
            return Err(E::custom("takes no argument"));
        }
        operation
            .parse(text)
            .map_err(|error| E::custom(error.message()))
    }

    // From a deserializer that knows numbers, for the same message.
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Step, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_seq<A: SeqAccess<'de>>(
        self,
        mut items: A,
    ) -> Result<Step, A::Error> {
        match self.0 {
            "install" => collect(&mut items).map(Step::Install),
            "uninstall" => collect(&mut items).map(Step::Uninstall),
            "firstboot-install" => {
                collect(&mut items).map(Step::FirstbootInstall)
            }
            "hold" => {
                collect(&mut items).map(|list| Step::Hold(Hold::These(list)))
            }
            "disable-unit" | "enable-unit" | "mask-unit" | "unmask-unit" => {
                let names: Vec<String> = collect(&mut items)?;
                self.visit_str(&names.join(","))
            }
            "kernel-cmdline" => {
                let words: Vec<String> = collect(&mut items)?;
                self.visit_str(&words.join(" "))
            }
            _ => Err(de::Error::invalid_type(de::Unexpected::Seq, &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Step, A::Error> {
        if self.0 != "repository" {
            return Err(de::Error::invalid_type(de::Unexpected::Map, &self));
        }
        let map = de::value::MapAccessDeserializer::new(map);
        let repository = Repository::deserialize(map)?;
        repository.check_all().map_err(de::Error::custom)?;
        Ok(Step::Repository(Box::new(repository)))
    }
}

fn collect<'de, A: SeqAccess<'de>, T: Deserialize<'de>>(
    items: &mut A,
) -> Result<Vec<T>, A::Error> {
    let mut all = Vec::new();
    while let Some(item) = items.next_element()? {
        all.push(item);
    }
    if all.is_empty() {
        return Err(de::Error::custom("an empty list"));
    }
    Ok(all)
}
