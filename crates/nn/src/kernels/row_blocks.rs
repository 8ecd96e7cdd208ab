//! Rows dealt to tasks in blocks: each task takes its block through several steps while it is in
//! the cache.

/// Blocks of at most `rows` rows, none of which reaches from one sequence of `n` rows into the
/// next.
#[derive(Clone, Copy)]
pub(crate) struct Blocks {
    pub n: usize,
    pub rows: usize,
}

impl Blocks {
    /// Sequence of a block, and its first row among those of all sequences.
    pub(crate) fn place(self, number: usize) -> (usize, usize) {
        let sequence = number / self.n.div_ceil(self.rows);
        let block = number % self.n.div_ceil(self.rows);
        (sequence, sequence * self.n + block * self.rows)
    }

    /// Each block's part of all rows of `width` values.
    pub(crate) fn split<V>(self, rows: &mut [V], width: usize) -> Vec<&mut [V]> {
        rows.chunks_mut((self.n * width).max(1))
            .flat_map(|sequence| sequence.chunks_mut(self.rows * width))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_all_rows_in_their_order_and_none_is_of_two_sequences() {
        let blocks = Blocks { n: 5, rows: 2 };
        let mut whole: Vec<usize> = (0..2 * 15).collect();
        let parts = blocks.split(&mut whole, 2);
        assert_eq!(
            parts.iter().map(|part| part.len() / 2).collect::<Vec<_>>(),
            [2, 2, 1, 2, 2, 1, 2, 2, 1]
        );
        for (number, part) in parts.iter().enumerate() {
            let (sequence, row) = blocks.place(number);
            assert_eq!((number / 3, part[0]), (sequence, 2 * row));
        }
        assert!(blocks.split(&mut [0u8; 0], 2).is_empty());
    }
}
