//! p-values as text.

/// A p-value as text: three decimals, or two significant digits below 0.001.
///
/// Below 1e-300 the tail of the normal distribution leaves the range of f64, so the text there is
/// only a bound.
#[must_use]
pub fn p_value_text(p_value: f64) -> String {
    if p_value < 1e-300 {
        "<1e-300".to_owned()
    } else if p_value < 0.001 {
        format!("{p_value:.1e}")
    } else {
        format!("{p_value:.3}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_p_value_too_small_for_f64_is_given_as_a_bound() {
        assert_eq!(
            [0.0, 1.23e-20, 0.05].map(p_value_text),
            ["<1e-300", "1.2e-20", "0.050"]
        );
    }
}
