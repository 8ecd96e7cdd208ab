//! Sets of genome positions, by contig with or without `chr`.

use std::collections::BTreeMap;

use gf_genotypes::{Position1, Range0, VariantRecord, contig_key};

/// A set of positions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Positions {
    /// Ascending positions of each contig, by contig key.
    by_contig: BTreeMap<String, Vec<Position1>>,
}

impl Positions {
    /// Collects (contig, position) pairs, in any order.
    pub fn new<'p>(pairs: impl IntoIterator<Item = (&'p str, Position1)>) -> Self {
        let mut by_contig: BTreeMap<String, Vec<Position1>> = BTreeMap::new();
        let mut pairs = pairs
            .into_iter()
            .map(|(contig, position)| (contig_key(contig), position))
            .peekable();
        while let Some((contig, position)) = pairs.next() {
            let mut positions = by_contig.remove(contig).unwrap_or_default();
            positions.push(position);
            // Scores are sorted by contig as a rule, so that each contig is looked up once.
            while let Some((_, position)) = pairs.next_if(|(next, _)| *next == contig) {
                positions.push(position);
            }
            by_contig.insert(contig.to_owned(), positions);
        }
        for positions in by_contig.values_mut() {
            positions.sort_unstable();
            positions.dedup();
        }
        Self { by_contig }
    }

    /// All positions, sorted by contig and position.
    #[cfg(test)]
    pub fn iter(&self) -> impl Iterator<Item = (&str, Position1)> {
        self.by_contig.iter().flat_map(|(contig, positions)| {
            positions
                .iter()
                .map(move |&position| (contig.as_str(), position))
        })
    }

    /// Whether a record is at one of the positions.
    pub fn has(&self, record: &VariantRecord) -> bool {
        self.by_contig
            .get(contig_key(&record.contig))
            .is_some_and(|positions| positions.binary_search(&record.position).is_ok())
    }

    /// Regions that contain all positions, for queries of an index. Two positions at most
    /// `max_gap_nt` apart are in the same region.
    pub fn regions(&self, max_gap_nt: usize) -> impl Iterator<Item = (&str, Range0)> {
        self.by_contig.iter().flat_map(move |(contig, positions)| {
            positions
                .chunk_by(move |a, b| *b - *a <= max_gap_nt)
                .map(move |group| {
                    let end = group[group.len() - 1].to_end0();
                    (contig.as_str(), Range0::new(group[0].to_zero_based(), end))
                })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_and_near_ones_are_one_region() {
        let positions = Positions::new([
            ("chr2", Position1::at::<50>()),
            ("1", Position1::at::<2_000>()),
            ("2", Position1::at::<10>()),
            ("chr1", Position1::at::<2_000>()),
            ("chrM", Position1::at::<7>()),
        ]);
        let found: Vec<(&str, usize)> = positions
            .iter()
            .map(|(contig, position)| (contig, position.get()))
            .collect();
        assert_eq!(found, [("1", 2_000), ("2", 10), ("2", 50), ("MT", 7)]);
        assert_eq!(positions.regions(39).count(), 4);
        assert_eq!(
            positions.regions(40).nth(1),
            Some(("2", Range0::from_zero_based(9, 50)))
        );
        assert_eq!(positions.regions(usize::MAX).count(), 3);
    }
}
