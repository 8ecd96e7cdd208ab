//! Memory of intermediate results, used again as it is: to clear it before each use takes as long
//! as some of the operations that fill it.

use std::ops::{Deref, DerefMut};

use crate::kernels::real::Real;

/// Vectors that a thread holds for later.
const HELD: usize = 32;

/// Numbers to be written before they are read; their memory goes back to the thread that drops
/// them.
#[derive(Debug)]
pub(crate) struct Buffer<T: Real> {
    /// May be longer than asked for.
    memory: Vec<T>,
    len: usize,
}

impl<T: Real> Buffer<T> {
    /// `len` numbers that may be anything.
    pub(crate) fn unwritten(len: usize) -> Self {
        let mut memory = T::held(|held| {
            let fits = held
                .iter()
                .enumerate()
                .filter(|(_, memory)| memory.len() >= len)
                .min_by_key(|(_, memory)| memory.len());
            fits.map(|(number, _)| number)
                .map(|number| held.swap_remove(number))
        })
        .unwrap_or_else(|| vec![T::default(); len]);
        if cfg!(debug_assertions) {
            memory.fill(T::constant(f64::NAN));
        }
        Self { memory, len }
    }

    /// As a vector, for a tensor.
    pub(crate) fn into_vec(mut self) -> Vec<T> {
        self.memory.truncate(self.len);
        std::mem::take(&mut self.memory)
    }
}

impl<T: Real> Drop for Buffer<T> {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        T::held(|held| {
            if !memory.is_empty() {
                if held.len() == HELD {
                    held.swap_remove(0);
                }
                held.push(memory);
            }
        });
    }
}

impl<T: Real> Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.memory[..self.len]
    }
}

impl<T: Real> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.memory[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again_by_what_fits_into_it() {
        let mut long = Buffer::<f64>::unwritten(1_000);
        long.fill(3.0);
        let address = long.as_ptr();
        drop(long);
        assert_eq!(Buffer::<f64>::unwritten(2_000).len(), 2_000);
        let short = Buffer::<f64>::unwritten(10);
        assert_eq!((short.len(), short.as_ptr() == address), (10, true));
        assert_eq!(short.into_vec().len(), 10);
    }
}
