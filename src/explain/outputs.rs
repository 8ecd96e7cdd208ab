//! Ranks of variants and pairs, and the files of the stage.

use std::collections::BTreeSet;

use gf_cohort_schema::{EffectRow, PairRow};
use gf_files::output;

use super::{Error, LocusEffects, Options, plot};
use crate::{layout, report};

/// Ranks variants and pairs, and writes a plot per locus, `pairs.csv` and `explain.csv`.
pub(super) fn write_tables_and_plots(
    options: &Options,
    loci: &[LocusEffects<'_>],
    mut pairs: Vec<PairRow>,
) -> Result<(), Error> {
    rank(
        &mut pairs,
        |row| (row.n_approximated < row.n_haplotypes, row.logit_sd),
        |row, rank| row.rank = rank,
    );
    let mut effects: Vec<EffectRow> = loci.iter().flat_map(LocusEffects::rows).collect();
    rank(
        &mut effects,
        |row| (row.n_approximated < row.n_haplotypes, row.effect_rms),
        |row, rank| row.rank = rank,
    );
    let mut taken_names = BTreeSet::new();
    for locus in loci.iter().map(|locus| &locus.locus.locus) {
        let locus_effects: Vec<EffectRow> = effects
            .iter()
            .filter(|row| row.locus == locus.name)
            .cloned()
            .collect();
        let path = options.out.join(plot_name(&locus.name, &mut taken_names));
        let svg = plot::draw(locus, &locus_effects, options.top)
            .map_err(|failed| output::at(&path)(std::io::Error::other(failed)))?;
        output::shareable::write(&path, |out| out.write_all(svg.as_bytes()))?;
    }
    report::write_pairs(&options.out.join(layout::PAIRS), &pairs)?;
    report::write_effects(&options.out.join(layout::EXPLAIN), &effects)?;
    Ok(())
}

/// Sorts rows by a value, the largest first, and numbers them from 1; the sort is stable.
///
/// `value` returns whether the model reads the variant exactly in some haplotype, and the value.
/// Rows that are never read exactly come last, for their effect belongs to another segment.
pub(super) fn rank<R>(
    rows: &mut [R],
    value: impl Fn(&R) -> (bool, f64),
    set: impl Fn(&mut R, usize),
) {
    rows.sort_by(|a, b| {
        let key_a = value(a);
        let key_b = value(b);
        key_b.0.cmp(&key_a.0).then(key_b.1.total_cmp(&key_a.1))
    });
    for (index, row) in rows.iter_mut().enumerate() {
        set(row, index + 1);
    }
}

/// File name of a plot: `LOCUS.svg`, with `_` for unsafe characters.
///
/// A second locus with the same file name gets a number.
fn plot_name(locus: &str, taken: &mut BTreeSet<String>) -> String {
    let name: String = locus
        .chars()
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' | '-' => c,
            _ => '_',
        })
        .collect();
    let mut file = format!("{name}.svg");
    let mut number = 1;
    while !taken.insert(file.clone()) {
        number += 1;
        file = format!("{name}-{number}.svg");
    }
    file
}
