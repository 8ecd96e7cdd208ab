//! Places that are looked for in files, 1-based, by contig with or without `chr`.

use std::{collections::BTreeMap, ops::Range};

use gf_genotypes::{VariantRecord, contig_key};

/// A set of positions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Positions {
    /// Of each contig, rising.
    of_contig: BTreeMap<String, Vec<usize>>,
}

impl Positions {
    /// Of any places, in any order.
    pub fn new<'p>(places: impl IntoIterator<Item = (&'p str, usize)>) -> Self {
        let mut of_contig: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        let mut places = places
            .into_iter()
            .map(|(contig, position)| (contig_key(contig), position))
            .peekable();
        while let Some((contig, position)) = places.next() {
            let mut positions = of_contig.remove(contig).unwrap_or_default();
            positions.push(position);
            // Scores are sorted by contig as a rule: each is looked up once.
            while let Some((_, position)) = places.next_if(|(next, _)| *next == contig) {
                positions.push(position);
            }
            of_contig.insert(contig.to_owned(), positions);
        }
        for positions in of_contig.values_mut() {
            positions.sort_unstable();
            positions.dedup();
        }
        Self { of_contig }
    }

    /// All places, by contig and position.
    pub fn iter(&self) -> impl Iterator<Item = (&str, usize)> {
        self.of_contig.iter().flat_map(|(contig, positions)| {
            positions
                .iter()
                .map(move |&position| (contig.as_str(), position))
        })
    }

    /// Whether a record is at one of them.
    pub fn has(&self, record: &VariantRecord) -> bool {
        self.of_contig
            .get(contig_key(&record.contig))
            .is_some_and(|positions| positions.binary_search(&record.position).is_ok())
    }

    /// Regions (0-based, half-open) that hold them all, so that an index is of use; two positions
    /// at most `max_gap_nt` apart are in one.
    pub fn regions(&self, max_gap_nt: usize) -> impl Iterator<Item = (&str, Range<usize>)> {
        // A file may say 0, where nothing is.
        let region = |group: &[usize]| group[0].saturating_sub(1)..group[group.len() - 1];
        self.of_contig.iter().flat_map(move |(contig, positions)| {
            positions
                .chunk_by(move |a, b| b - a <= max_gap_nt)
                .map(move |group| (contig.as_str(), region(group)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_and_near_ones_are_one_region() {
        let places = Positions::new([
            ("chr2", 50),
            ("1", 2_000),
            ("2", 10),
            ("chr1", 2_000),
            ("chrM", 7),
        ]);
        assert_eq!(
            places.iter().collect::<Vec<_>>(),
            [("1", 2_000), ("2", 10), ("2", 50), ("MT", 7)]
        );
        let regions = |gap| places.regions(gap).collect::<Vec<_>>();
        assert_eq!(regions(39).len(), 4);
        assert_eq!(regions(40)[1], ("2", 9..50));
        assert_eq!(regions(usize::MAX).len(), 3);
        assert_eq!(
            Positions::new([("1", 0), ("1", 5)]).regions(10).next(),
            Some(("1", 0..5))
        );
    }
}
