//! Options whose value is one of a few names. The names are those of the pipeline file, where serde
//! has them once.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use gf_cohort_schema::serde_names;
use serde::{
    Serialize,
    de::{DeserializeOwned, IntoDeserializer, value},
};

/// A parser of the values of an enum.
pub fn one_of<T>() -> impl TypedValueParser<Value = T>
where
    T: DeserializeOwned + Clone + Send + Sync + 'static,
{
    some_of(serde_names::<T>())
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
    serde_names::<T>()
        .iter()
        .find(|known| name == **known)
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use gf_haplotypes::{Missing, Unphased};

    use super::*;

    #[test]
    fn names_are_those_of_the_pipeline_file() {
        assert_eq!(
            serde_names::<Unphased>(),
            ["error", "gt-order", "iupac", "ref"]
        );
        assert_eq!(name_of(&Unphased::GtOrder), "gt-order");
        assert_eq!(name_of(&Missing::N), "N");
        let values = possible_values(serde_names::<Missing>());
        let shown: Vec<&str> = values.iter().map(PossibleValue::get_name).collect();
        assert_eq!(shown, ["ref", "N", "error"]);
        assert!(values[1].matches("n", false));
    }
}
