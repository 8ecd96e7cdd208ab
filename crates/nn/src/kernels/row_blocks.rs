//! Blocks of rows, one per task. A task takes its block through several steps while the block is in
//! the cache.

/// Blocks of at most `rows` rows. A block never crosses the border between two sequences of `n`
/// rows.
#[derive(Clone, Copy)]
pub(crate) struct Blocks {
    pub n: usize,
    pub rows: usize,
}

/// The start of a block, 0-based.
#[derive(Clone, Copy)]
pub(crate) struct BlockStart {
    pub sequence: usize,
    /// The first row, counted over all sequences.
    pub row: usize,
}

impl Blocks {
    pub(crate) fn start(self, number: usize) -> BlockStart {
        let blocks_per_sequence = self.n.div_ceil(self.rows);
        let sequence = number / blocks_per_sequence;
        let block = number % blocks_per_sequence;
        BlockStart {
            sequence,
            row: sequence * self.n + block * self.rows,
        }
    }

    /// Splits rows of `width` values into the blocks.
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
            let start = blocks.start(number);
            assert_eq!((number / 3, part[0]), (start.sequence, 2 * start.row));
        }
        assert!(blocks.split(&mut [0u8; 0], 2).is_empty());
    }
}
