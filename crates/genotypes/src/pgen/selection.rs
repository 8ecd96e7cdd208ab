//! Which samples a record has, and in which order.

use super::PgenError;
use std::path::Path;

const NOT_SELECTED: u32 = u32::MAX;

/// All samples of a file, or some of them.
#[derive(Clone, Debug)]
pub(super) enum Selection {
    All(usize),
    Some {
        /// Samples of the file in the order of the record.
        samples: Vec<u32>,
        /// Where each sample of the file is in the record, or [`NOT_SELECTED`].
        slots: Vec<u32>,
    },
}

impl Selection {
    pub(super) fn new(
        path: &Path,
        selected: &[usize],
        sample_count: usize,
    ) -> Result<Self, PgenError> {
        let mut slots = vec![NOT_SELECTED; sample_count];
        for (slot, &index) in selected.iter().enumerate() {
            let entry = slots
                .get_mut(index)
                .ok_or_else(|| PgenError::NoSuchSample {
                    path: path.to_path_buf(),
                    index,
                    samples: sample_count,
                })?;
            if *entry != NOT_SELECTED {
                return Err(PgenError::SelectedTwice {
                    path: path.to_path_buf(),
                    index,
                });
            }
            *entry = slot as u32;
        }
        Ok(Self::Some {
            samples: selected.iter().map(|&index| index as u32).collect(),
            slots,
        })
    }

    /// Number of samples of a record.
    pub(super) const fn len(&self) -> usize {
        match self {
            Self::All(count) => *count,
            Self::Some { samples, .. } => samples.len(),
        }
    }

    /// Where a sample of the file is in the record.
    #[inline]
    pub(super) fn slot(&self, sample: u32) -> Option<usize> {
        match self {
            Self::All(_) => Some(sample as usize),
            Self::Some { slots, .. } => match slots[sample as usize] {
                NOT_SELECTED => None,
                slot => Some(slot as usize),
            },
        }
    }
}
