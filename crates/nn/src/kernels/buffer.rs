//! Reusable memory for intermediate results.
//!
//! The memory is not cleared before it is used again: to clear it takes as long as some of the
//! operations that fill it.

use std::ops::{Deref, DerefMut};

use crate::kernels::real::Real;

/// Vectors that a thread keeps for later use.
const MAX_SPARE: usize = 32;

/// Numbers to be written before they are read. The thread that drops a buffer keeps its memory.
#[derive(Debug)]
pub(crate) struct Buffer<T: Real> {
    /// May be longer than `len`.
    memory: Vec<T>,
    len: usize,
}

impl<T: Real> Buffer<T> {
    /// `len` numbers of any value.
    pub(crate) fn unwritten(len: usize) -> Self {
        let spare = T::with_spare_memory(|spare| {
            let smallest_fit = spare
                .iter()
                .enumerate()
                .filter(|(_, memory)| memory.len() >= len)
                .min_by_key(|(_, memory)| memory.len())
                .map(|(index, _)| index);
            smallest_fit.map(|index| spare.swap_remove(index))
        });
        let mut memory = spare.unwrap_or_else(|| vec![T::default(); len]);
        // A read before the first write is then visible in the result.
        if cfg!(debug_assertions) {
            memory.fill(T::constant(f64::NAN));
        }
        Self { memory, len }
    }

    /// The numbers as a vector, for a tensor.
    pub(crate) fn into_vec(mut self) -> Vec<T> {
        self.memory.truncate(self.len);
        std::mem::take(&mut self.memory)
    }
}

impl<T: Real> Drop for Buffer<T> {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        T::with_spare_memory(|spare| {
            if !memory.is_empty() {
                if spare.len() == MAX_SPARE {
                    spare.swap_remove(0);
                }
                spare.push(memory);
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
