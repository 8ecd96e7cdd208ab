//! Options whose value is one of a few names. The names are those of the pipeline file, where serde
//! has them once.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use serde::{
    Deserializer, Serialize,
    de::{self, DeserializeOwned, IntoDeserializer, Visitor, value},
    forward_to_deserialize_any,
};

/// A parser of the values of an enum.
pub fn one_of<T>() -> impl TypedValueParser<Value = T>
where
    T: DeserializeOwned + Clone + Send + Sync + 'static,
{
    some_of(names::<T>())
}

/// A parser of these values of an enum.
pub fn some_of<T>(names: &'static [&'static str]) -> impl TypedValueParser<Value = T>
where
    T: DeserializeOwned + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(possible_values(names)).try_map(|name: String| {
        T::deserialize(IntoDeserializer::<value::Error>::into_deserializer(name))
    })
}

/// serde lists an alias such as `n` behind its name `N`.
fn possible_values(names: &'static [&'static str]) -> Vec<PossibleValue> {
    let mut values: Vec<PossibleValue> = Vec::new();
    for name in names {
        match values.pop() {
            Some(last) if last.get_name().eq_ignore_ascii_case(name) => {
                values.push(last.alias(*name));
            }
            last => {
                values.extend(last);
                values.push(PossibleValue::new(*name));
            }
        }
    }
    values
}

/// The name of a value, for the default of an option.
#[must_use]
pub fn name_of<T: Serialize + DeserializeOwned>(value: &T) -> &'static str {
    let name = serde_json::to_value(value).unwrap_or_default();
    names::<T>()
        .iter()
        .find(|known| name == **known)
        .copied()
        .unwrap_or_default()
}

/// Names of all values of an enum without data.
fn names<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut names: &'static [&'static str] = &[];
    // serde tells a deserializer the variants that it wants before it takes any value.
    let _ = T::deserialize(VariantNames(&mut names));
    names
}

/// Takes down the names of the variants of an enum, and gives no value.
struct VariantNames<'n>(&'n mut &'static [&'static str]);

impl<'de> Deserializer<'de> for VariantNames<'_> {
    type Error = value::Error;

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Self::Error> {
        *self.0 = variants;
        Err(de::Error::custom("only the names are wanted"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Self::Error> {
        Err(de::Error::custom("not an enum"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use gf_haplotypes::{Missing, Unphased};

    use super::*;

    #[test]
    fn names_are_those_of_the_pipeline_file() {
        assert_eq!(names::<Unphased>(), ["error", "gt-order", "iupac", "ref"]);
        assert_eq!(name_of(&Unphased::GtOrder), "gt-order");
        assert_eq!(name_of(&Missing::N), "N");
        let values = possible_values(names::<Missing>());
        let shown: Vec<&str> = values.iter().map(PossibleValue::get_name).collect();
        assert_eq!(shown, ["ref", "N", "error"]);
        assert!(values[1].matches("n", false));
    }
}
