//! Places that are looked for in files, 1-based, by contig with or without `chr`.

use std::collections::BTreeMap;

use crate::ingest::{Locus, Strand, VariantRecord, contig_key};

/// A set of positions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Of each contig, rising.
    of_contig: BTreeMap<String, Vec<usize>>,
}

impl Places {
    /// Of any places, in any order.
    pub fn new<'p>(places: impl IntoIterator<Item = (&'p str, usize)>) -> Self {
        let mut of_contig: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (contig, position) in places {
            let contig = contig_key(contig);
            match of_contig.get_mut(contig) {
                Some(positions) => positions.push(position),
                None => _ = of_contig.insert(contig.to_owned(), vec![position]),
            }
        }
        for positions in of_contig.values_mut() {
            positions.sort_unstable();
            positions.dedup();
        }
        Self { of_contig }
    }

    /// All places, by contig and position.
    pub fn iter(&self) -> impl Iterator<Item = (&str, usize)> {
        self.of_contig.iter().flat_map(|(contig, positions)| positions.iter().map(move |&position| (contig.as_str(), position)))
    }

    /// Whether a record is at one of them.
    pub fn has(&self, record: &VariantRecord) -> bool {
        self.of_contig.get(contig_key(&record.contig)).is_some_and(|positions| positions.binary_search(&record.position).is_ok())
    }

    /// Regions that hold them all, so that an index is of use; two positions at most `max_gap_nt` apart are in one.
    pub fn regions(&self, max_gap_nt: usize) -> Vec<Locus> {
        let regions = |(contig, positions): (&String, &Vec<usize>)| {
            let region = |group: &[usize]| Locus {
                name: contig.clone(),
                contig: contig.clone(),
                // A file may say 0, where nothing is.
                start0: group[0].saturating_sub(1),
                end0: group[group.len() - 1],
                strand: Strand::Forward,
            };
            positions.chunk_by(|a, b| b - a <= max_gap_nt).map(region).collect::<Vec<_>>()
        };
        self.of_contig.iter().flat_map(regions).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_and_near_ones_are_one_region() {
        let places = Places::new([("chr2", 50), ("1", 2_000), ("2", 10), ("chr1", 2_000), ("chrM", 7)]);
        assert_eq!(places.iter().collect::<Vec<_>>(), [("1", 2_000), ("2", 10), ("2", 50), ("MT", 7)]);
        let regions = |gap| places.regions(gap).iter().map(|locus| (locus.contig.clone(), locus.start0, locus.end0)).collect::<Vec<_>>();
        assert_eq!(regions(39).len(), 4);
        assert_eq!(regions(40)[1], ("2".to_owned(), 9, 50));
        assert_eq!(regions(usize::MAX).len(), 3);
        assert_eq!(Places::new([("1", 0), ("1", 5)]).regions(10)[0].start0, 0);
    }
}
