//! Cutting a locus at fixed reference coordinates, and how far two segments are apart.

/// Starts of the segments of `start0..end0`, one every `segment_len_nt` reference bases; the last may be shorter.
#[must_use]
pub fn cuts(start0: usize, end0: usize, segment_len_nt: usize) -> Vec<usize> {
    (start0..end0).step_by(segment_len_nt.max(1)).collect()
}

/// Levenshtein distance: the least number of inserted, deleted or replaced bases between two segments.
#[must_use]
pub fn edit_distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, base_a) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, base_b) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(base_a != base_b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locus_is_cut_at_the_same_places_for_everyone() {
        assert_eq!(cuts(100, 130, 10), [100, 110, 120]);
        assert_eq!(cuts(100, 131, 10), [100, 110, 120, 130]);
        assert!(cuts(5, 5, 10).is_empty());
    }

    #[test]
    fn distance_counts_single_base_changes() {
        assert_eq!(edit_distance(b"ACGT", b"ACGT"), 0);
        assert_eq!(edit_distance(b"ACGT", b"AGGT"), 1);
        assert_eq!(edit_distance(b"ACGT", b"AT"), 2);
        assert_eq!(edit_distance(b"", b"ACG"), 3);
    }
}
