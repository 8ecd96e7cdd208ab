//! Intermediate results that a forward pass saves for its backward pass.

use std::sync::Mutex;

/// One value, saved in the forward pass and taken in the backward pass.
///
/// A mutex is necessary because candle passes `&self` to both passes of an operation.
pub(crate) struct Saved<V>(Mutex<Option<V>>);

impl<V> Saved<V> {
    pub(crate) fn empty() -> Self {
        Self(Mutex::new(None))
    }

    /// Saves a value and drops an older one.
    pub(crate) fn save(&self, value: V) {
        if let Ok(mut saved) = self.0.lock() {
            *saved = Some(value);
        }
    }

    /// Takes the saved value, or computes it again.
    ///
    /// A second backward pass through the same operation finds no saved value.
    pub(crate) fn take_or(&self, compute: impl FnOnce() -> V) -> V {
        let saved = self.0.lock().ok().and_then(|mut saved| saved.take());
        saved.unwrap_or_else(compute)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_taken_once_and_then_made_again() {
        let saved = Saved::empty();
        saved.save(1);
        saved.save(2);
        assert_eq!([saved.take_or(|| 3), saved.take_or(|| 3)], [2, 3]);
    }
}
