//! What the forward pass of a fused operation keeps for its backward pass.

use std::sync::Mutex;

/// A place for one value: put there in the forward pass, taken in the backward pass. candle gives
/// an operation only `&self`.
pub(crate) struct Kept<V>(Mutex<Option<V>>);

impl<V> Kept<V> {
    /// Nothing yet.
    pub(crate) fn nothing() -> Self {
        Self(Mutex::new(None))
    }

    /// Puts a value there, in place of an older one.
    pub(crate) fn put(&self, value: V) {
        if let Ok(mut place) = self.0.lock() {
            *place = Some(value);
        }
    }

    /// Takes the value, or makes it again: a second backward pass through the same operation finds
    /// nothing kept.
    pub(crate) fn take_or(&self, make: impl FnOnce() -> V) -> V {
        let kept = self.0.lock().ok().and_then(|mut place| place.take());
        kept.unwrap_or_else(make)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_taken_once_and_then_made_again() {
        let kept = Kept::nothing();
        kept.put(1);
        kept.put(2);
        assert_eq!([kept.take_or(|| 3), kept.take_or(|| 3)], [2, 3]);
    }
}
