//! Cuts a locus at fixed reference coordinates, and measures the distance of two segments.

/// Starts of the segments of `start0..end0`, one every `segment_len_nt` reference bases; the last
/// may be shorter.
///
/// ```
/// assert_eq!(gf_tokenizer::cuts(100, 131, 10), [100, 110, 120, 130]);
/// ```
#[must_use]
pub fn cuts(start0: usize, end0: usize, segment_len_nt: usize) -> Vec<usize> {
    (start0..end0).step_by(segment_len_nt.max(1)).collect()
}

/// Levenshtein distance: the least number of inserted, deleted or replaced bases between two
/// segments.
///
/// ```
/// assert_eq!(gf_tokenizer::edit_distance(b"ACGT", b"AGGTT"), 2);
/// ```
#[must_use]
pub fn edit_distance(a: &[u8], b: &[u8]) -> usize {
    // A common prefix and suffix cost nothing, and the rest of similar segments is short.
    let n_prefix = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let a = &a[n_prefix..];
    let b = &b[n_prefix..];
    let n_suffix = a
        .iter()
        .rev()
        .zip(b.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let a = &a[..a.len() - n_suffix];
    let b = &b[..b.len() - n_suffix];
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
        assert_eq!(edit_distance(b"AAA", b"AAAAA"), 2);
        assert_eq!(edit_distance(b"kitten", b"sitting"), 3);
    }

    /// By its definition (Wagner and Fischer 1974).
    fn by_definition(a: &[u8], b: &[u8]) -> usize {
        match (a, b) {
            ([], rest) | (rest, []) => rest.len(),
            ([x, a_rest @ ..], [y, b_rest @ ..]) => {
                let replaced = by_definition(a_rest, b_rest) + usize::from(x != y);
                replaced
                    .min(by_definition(a_rest, b) + 1)
                    .min(by_definition(a, b_rest) + 1)
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn distance_is_that_of_its_definition(a in "[AC]{0,6}", b in "[AC]{0,6}") {
            proptest::prop_assert_eq!(
                edit_distance(a.as_bytes(), b.as_bytes()),
                by_definition(a.as_bytes(), b.as_bytes())
            );
        }
    }
}
