//! Rows dealt to tasks in blocks: each task takes its block through several steps while it is in the cache.
//!
//! What a step writes for the next one is a part of a whole that is kept for the backward pass, or, where none will come, memory of the task's own:
//! a whole would leave the cache, and take as long to write as the step itself.

/// Blocks of at most `rows` rows, none of which reaches from one sequence of `n` rows into the next.
#[derive(Clone, Copy)]
pub(super) struct Blocks {
    pub sequences: usize,
    pub n: usize,
    pub rows: usize,
}

impl Blocks {
    /// Sequence of a block, and its first row among those of all sequences.
    pub(super) fn place(self, number: usize) -> (usize, usize) {
        let (sequence, block) = (number / self.n.div_ceil(self.rows), number % self.n.div_ceil(self.rows));
        (sequence, sequence * self.n + block * self.rows)
    }

    /// Each block's part of all rows of `width` values; of a whole that is not kept, and so empty, nothing.
    pub(super) fn of<V>(self, whole: &mut [V], width: usize) -> Vec<&mut [V]> {
        if whole.is_empty() {
            return (0..self.sequences * self.n.div_ceil(self.rows)).map(|_| <&mut [V]>::default()).collect();
        }
        whole.chunks_mut(self.n * width).flat_map(|sequence| sequence.chunks_mut(self.rows * width)).collect()
    }
}

/// Where a task writes: its part of what is kept, or `own` where that is nothing.
pub(super) fn part_or<'p, V>(part: &'p mut [V], own: &'p mut [V]) -> &'p mut [V] {
    if part.is_empty() { own } else { part }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_all_rows_in_their_order_and_none_is_of_two_sequences() {
        let blocks = Blocks { sequences: 3, n: 5, rows: 2 };
        let mut whole: Vec<usize> = (0..2 * 15).collect();
        let parts = blocks.of(&mut whole, 2);
        assert_eq!(parts.iter().map(|part| part.len() / 2).collect::<Vec<_>>(), [2, 2, 1, 2, 2, 1, 2, 2, 1]);
        for (number, part) in parts.iter().enumerate() {
            let (sequence, row) = blocks.place(number);
            assert_eq!((number / 3, part[0]), (sequence, 2 * row));
        }
        assert_eq!(blocks.of(&mut [0u8; 0], 2).iter().map(|part| part.len()).collect::<Vec<_>>(), [0; 9]);
        assert!(Blocks { sequences: 0, ..blocks }.of(&mut [0u8; 0], 2).is_empty());
    }
}
