//! Genotype calls (the GT field) of VCF text and BCF bytes. Nothing else of a sample is parsed.

/// Allele number of a missing call (`.`).
pub const MISSING: i16 = -1;
/// Allele number of the second haplotype of a haploid call.
pub const ABSENT: i16 = -2;

/// One sample's call at one record: two allele numbers (0 = REF, 1.. = ALT, [`MISSING`],
/// [`ABSENT`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Genotype {
    /// Allele number on the first and second haplotype, in the order of the file.
    pub alleles: [i16; 2],
    /// `|` (true) or `/` (false); true for haploid calls.
    pub phased: bool,
}

impl Genotype {
    /// A called diploid or haploid genotype with two different alleles.
    #[must_use]
    pub fn is_heterozygous(&self) -> bool {
        let [a, b] = self.alleles;
        a >= 0 && b >= 0 && a != b
    }

    /// One haplotype only.
    #[must_use]
    pub fn is_haploid(&self) -> bool {
        self.alleles[1] == ABSENT
    }

    /// Number of copies of `allele` among the called ones, or `None` when any present haplotype is
    /// missing.
    #[must_use]
    pub fn dosage(&self, allele: i16) -> Option<u8> {
        if self.alleles.contains(&MISSING) {
            return None;
        }
        Some(self.alleles.iter().map(|&a| u8::from(a == allele)).sum())
    }
}

/// `0|0`.
pub(super) const REFERENCE: Genotype = Genotype {
    alleles: [0, 0],
    phased: true,
};
/// `0/0`.
pub(super) const UNPHASED_REFERENCE: Genotype = Genotype {
    alleles: [0, 0],
    phased: false,
};

/// Why a GT value cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GenotypeProblem {
    /// A text that is not numbers with `/` or `|` between them.
    #[error("genotype `{gt}` is not a GT value")]
    NotGt {
        /// The value.
        gt: Box<str>,
    },
    /// A text of three or more alleles.
    #[error("genotype `{gt}` has more than two alleles; only ploidy 1 and 2 are supported")]
    Ploidy {
        /// The value.
        gt: Box<str>,
    },
    /// An allele that the record does not have.
    #[error("a genotype names allele {allele}, but the record has only {max_allele} ALT allele(s)")]
    UnknownAllele {
        /// The allele.
        allele: i16,
        /// Number of ALT alleles.
        max_allele: i16,
    },
    /// An integer of BCF that is not an allele.
    #[error("a GT value is out of range")]
    OutOfRange,
    /// Three or more integers of BCF.
    #[error("a genotype has more than two alleles; only ploidy 1 and 2 are supported")]
    BcfPloidy,
}

/// Parses one GT value of VCF text such as `0|1`, `./.`, `1`; a trailing `:...` must be cut off
/// before.
///
/// # Errors
/// Ploidy above two, not a number, or an allele number above `max_allele`.
#[inline]
pub(super) fn parse_text(gt: &[u8], max_allele: i16) -> Result<Genotype, GenotypeProblem> {
    // The two shapes that make up nearly all of a cohort file.
    if let [a @ b'0'..=b'9', separator @ (b'|' | b'/'), b @ b'0'..=b'9'] = gt {
        let alleles = [i16::from(a - b'0'), i16::from(b - b'0')];
        if alleles[0] <= max_allele && alleles[1] <= max_allele {
            return Ok(Genotype {
                alleles,
                phased: *separator == b'|',
            });
        }
    }
    parse_any_text(gt, max_allele)
}

/// Parses a GT value of any shape, like [`parse_text`].
fn parse_any_text(gt: &[u8], max_allele: i16) -> Result<Genotype, GenotypeProblem> {
    let mut alleles = [ABSENT, ABSENT];
    let mut phased = true;
    let mut count = 0;
    // VCF 4.4 allows a leading phase sign.
    let gt_text = gt
        .strip_prefix(b"|")
        .or_else(|| gt.strip_prefix(b"/"))
        .unwrap_or(gt);
    let mut rest = gt_text;
    loop {
        let end = rest
            .iter()
            .position(|&byte| byte == b'|' || byte == b'/')
            .unwrap_or(rest.len());
        let allele = match &rest[..end] {
            b"." => MISSING,
            digits => std::str::from_utf8(digits)
                .ok()
                .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
                .and_then(|digits| digits.parse::<i16>().ok())
                .ok_or_else(|| GenotypeProblem::NotGt { gt: shown(gt) })?,
        };
        check_allele(allele, max_allele)?;
        if count == 2 {
            return Err(GenotypeProblem::Ploidy { gt: shown(gt) });
        }
        alleles[count] = allele;
        count += 1;
        match rest.get(end) {
            Some(b'/') => phased = false,
            Some(_) => {}
            None => break,
        }
        rest = &rest[end + 1..];
    }
    Ok(Genotype { alleles, phased })
}

/// A value in a message.
fn shown(gt: &[u8]) -> Box<str> {
    gt.escape_ascii().to_string().into()
}

fn check_allele(allele: i16, max_allele: i16) -> Result<(), GenotypeProblem> {
    if allele > max_allele {
        return Err(GenotypeProblem::UnknownAllele { allele, max_allele });
    }
    Ok(())
}

/// Parses the BCF integers of one sample's GT, `(allele + 1) << 1 | phased` each, up to the end of
/// the vector; `None` is BCF's own missing value, which GT never has.
///
/// # Errors
/// The errors of [`parse_text`].
pub(super) fn parse_bcf(
    values: impl Iterator<Item = Option<i32>>,
    max_allele: i16,
) -> Result<Genotype, GenotypeProblem> {
    let mut alleles = [ABSENT, ABSENT];
    let mut phased = true;
    for (count, value) in values.enumerate() {
        let value = value.ok_or(GenotypeProblem::OutOfRange)?;
        let allele = i16::try_from((value >> 1) - 1)
            .ok()
            .filter(|&allele| allele >= MISSING)
            .ok_or(GenotypeProblem::OutOfRange)?;
        check_allele(allele, max_allele)?;
        if count == 2 {
            return Err(GenotypeProblem::BcfPloidy);
        }
        alleles[count] = allele;
        if count == 1 {
            phased = value & 1 == 1;
        }
    }
    if alleles[0] == ABSENT {
        // An empty vector is how BCF writes a sample without a call.
        alleles[0] = MISSING;
    }
    Ok(Genotype { alleles, phased })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(gt: &str) -> Result<([i16; 2], bool), GenotypeProblem> {
        parse_text(gt.as_bytes(), 12).map(|genotype| (genotype.alleles, genotype.phased))
    }

    #[test]
    fn every_shape_of_gt_is_read() {
        assert_eq!(text("0|1"), Ok(([0, 1], true)));
        assert_eq!(text("1/0"), Ok(([1, 0], false)));
        assert_eq!(text("."), Ok(([MISSING, ABSENT], true)));
        assert_eq!(text("./."), Ok(([MISSING, MISSING], false)));
        assert_eq!(text(".|1"), Ok(([MISSING, 1], true)));
        assert_eq!(text("1"), Ok(([1, ABSENT], true)));
        assert_eq!(text("10|12"), Ok(([10, 12], true)));
    }

    #[test]
    fn bad_calls_are_refused() {
        assert_eq!(
            text("0|1|2"),
            Err(GenotypeProblem::Ploidy { gt: "0|1|2".into() })
        );
        assert_eq!(
            text("0|x"),
            Err(GenotypeProblem::NotGt { gt: "0|x".into() })
        );
        assert!(text("").is_err());
        assert!(text("-1|0").is_err());
        assert!(text("+1|0").is_err());
        assert!(text("0|").is_err());
        assert!(
            parse_text(b"2|0", 1)
                .unwrap_err()
                .to_string()
                .contains("allele 2")
        );
    }

    #[test]
    fn bcf_bytes_mean_the_same_as_text() {
        assert_eq!(parse(&[2, 5]), Ok(([0, 1], true)));
        assert_eq!(parse(&[4, 2]), Ok(([1, 0], false)));
        assert_eq!(parse(&[0, 0]), Ok(([MISSING, MISSING], false)));
        assert_eq!(parse(&[4]), Ok(([1, ABSENT], true)));
        assert_eq!(parse(&[]), Ok(([MISSING, ABSENT], true)));
        assert!(parse(&[2, 3, 5]).is_err());
        assert!(parse(&[12, 2]).is_err());
    }

    fn parse(values: &[i32]) -> Result<([i16; 2], bool), GenotypeProblem> {
        parse_bcf(values.iter().copied().map(Some), 3)
            .map(|genotype| (genotype.alleles, genotype.phased))
    }
}
