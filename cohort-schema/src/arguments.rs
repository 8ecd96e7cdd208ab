//! Command-line arguments whose value is one of a few names.
//!
//! The names are the same as in the pipeline file. Serde has these names, and an adapter makes a
//! clap parser from them, so each enum states its names once. Needs the feature `clap`.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use serde::{
    Serialize,
    de::{DeserializeOwned, IntoDeserializer, value},
};

use crate::serde_names;

/// A parser of all values of an enum.
#[must_use]
pub fn one_of<T>() -> impl TypedValueParser<Value = T>
where
    T: DeserializeOwned + Clone + Send + Sync + 'static,
{
    some_of(serde_names::<T>())
}

/// A parser of the values of an enum that `names` lists.
#[must_use]
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
    serde_names::<T>()
        .iter()
        .find(|known| name == **known)
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MissingCovariates, PhenotypeCoding};

    #[test]
    fn names_are_those_of_the_pipeline_file() {
        let values = possible_values(serde_names::<MissingCovariates>());
        let shown: Vec<&str> = values.iter().map(PossibleValue::get_name).collect();
        assert_eq!(shown, ["drop-few", "error", "drop", "mean"]);
        assert_eq!(name_of(&PhenotypeCoding::default()), "auto");
    }

    #[test]
    fn an_alias_is_accepted_and_not_listed() {
        let values = possible_values(&["ref", "N", "n", "error"]);
        let shown: Vec<&str> = values.iter().map(PossibleValue::get_name).collect();
        assert_eq!(shown, ["ref", "N", "error"]);
        assert!(values[1].matches("n", false));
    }
}
