//! Track 2: phase of heterozygous calls.
//!
//! Bit 0 of the first byte states whether a first array follows: one bit for each heterozygous
//! call, set if the call is phased. A second array has one bit for each phased call, set if the
//! larger allele number comes first. The second array starts at a byte boundary, or at bit 1 of the
//! first byte where the first array is absent.

use super::{
    cursor::{Cursor, bit},
    error::{RecordFault, Track},
    record::PgenRecord,
    selection::Selection,
};

/// Sets the phase of the record. `heterozygous` has all heterozygous samples in increasing order.
pub(super) fn read(
    cursor: &mut Cursor<'_>,
    heterozygous: &[u32],
    selection: &Selection,
    record: &mut PgenRecord,
) -> Result<(), RecordFault> {
    let head = cursor.take((1 + heterozygous.len()).div_ceil(8), Track::Phase)?;
    if !bit(head, 0) {
        for (index, &sample) in heterozygous.iter().enumerate() {
            if let Some(slot) = selection.slot(sample) {
                record.set_phase(slot, bit(head, index + 1));
            }
        }
        return Ok(());
    }
    let phased_count = (1..=heterozygous.len())
        .filter(|&index| bit(head, index))
        .count();
    let swapped = cursor.take(phased_count.div_ceil(8), Track::Phase)?;
    let mut phased_index = 0;
    for (index, &sample) in heterozygous.iter().enumerate() {
        if !bit(head, index + 1) {
            continue;
        }
        if let Some(slot) = selection.slot(sample) {
            record.set_phase(slot, bit(swapped, phased_index));
        }
        phased_index += 1;
    }
    Ok(())
}
