//! Guard for models that only separate groups of similar samples, by permuting labels within them.

use std::collections::HashMap;

use gf_cohort_schema::{GuardRow, GuardVerdict, Split};
use gf_stats::{normal::upper_tail, p_value_text};
use rayon::prelude::*;

use super::{ALL_MODELS, ALPHA, MIN_PEOPLE, PERMUTED, permutation::Permuted};
use crate::predictions::{Column, Known, Scores};

/// Fraction of the AUC above 0.5 that may remain when labels are permuted among similar samples.
const MAY_STAY: f64 = 0.5;

/// Groups of samples that are similar in something that should not matter.
struct Grouping {
    name: String,
    /// Group of each person of [`Scores::people`]; `None` where unknown.
    group_of: Vec<Option<usize>>,
}

/// Ancestry, families and quintiles of PC1, as far as they are known.
fn groupings(scores: &Scores, known: &Known, split: Split) -> Vec<Grouping> {
    known
        .ancestry()
        .into_iter()
        .chain(["family_id"])
        .filter_map(|column| grouping_by_text(column, known))
        .chain(quintiles(scores, known, split))
        .collect()
}

/// A group for each distinct cell of a column.
fn grouping_by_text(name: &str, known: &Known) -> Option<Grouping> {
    let mut index_of_cell: HashMap<&str, usize> = HashMap::new();
    let group_of = known
        .cells(name)?
        .into_iter()
        .map(|cell| {
            let next = index_of_cell.len();
            Some(*index_of_cell.entry(cell?).or_insert(next))
        })
        .collect();
    Some(Grouping {
        name: name.to_owned(),
        group_of,
    })
}

/// Fifths of the samples of a split by their first principal component.
fn quintiles(scores: &Scores, known: &Known, split: Split) -> Option<Grouping> {
    let cells = known.cells("PC1")?;
    let mut values: Vec<(f64, usize)> = cells
        .iter()
        .enumerate()
        .filter(|(person, _)| scores.people[*person].split == split)
        .filter_map(|(person, cell)| {
            let value = cell.as_ref()?.parse::<f64>().ok()?;
            value.is_finite().then_some((value, person))
        })
        .collect();
    values.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let mut group_of = vec![None; scores.people.len()];
    for (rank, (_, person)) in values.iter().enumerate() {
        group_of[*person] = Some(5 * rank / values.len());
    }
    Some(Grouping {
        name: "quintiles of PC1".to_owned(),
        group_of,
    })
}

/// Permutes labels within each grouping, for each model that reads genomes.
pub(super) fn permuted_labels(scores: &Scores, known: &Known, columns: &[Column]) -> Vec<GuardRow> {
    let Some(split) = scores.last_split() else {
        return Vec::new();
    };
    let groupings = groupings(scores, known, split);
    let columns: Vec<&Column> = columns
        .iter()
        .filter(|column| column.role.reads_genomes())
        .collect();
    let alpha = ALPHA / (columns.len() * groupings.len()).max(1) as f64;
    let rows: Vec<GuardRow> = columns
        .into_par_iter()
        .filter_map(|column| row_of_model(column, &groupings, alpha))
        .collect();
    if rows.is_empty() {
        return vec![not_run(
            "no model of genomes has both classes and more than one score".to_owned(),
        )];
    }
    let (checked, unchecked): (Vec<GuardRow>, Vec<GuardRow>) = rows
        .into_iter()
        .partition(|row| row.verdict != GuardVerdict::NotRun);
    checked.into_iter().chain(not_run_row(&unchecked)).collect()
}

/// One row for all models without a usable grouping.
fn not_run_row(unchecked: &[GuardRow]) -> Option<GuardRow> {
    if unchecked.is_empty() {
        return None;
    }
    let models: Vec<&str> = unchecked.iter().map(|row| row.subject.as_str()).collect();
    Some(not_run(format!(
        "no ancestry, family or PC1 groups with enough samples of both classes to permute labels \
         within (--cohort), for {}",
        models.join(", ")
    )))
}

fn not_run(finding: String) -> GuardRow {
    GuardRow::new(PERMUTED, GuardVerdict::NotRun, ALL_MODELS, finding)
}

/// The worst verdict over all groupings; `None` without both classes.
fn row_of_model(column: &Column, groupings: &[Grouping], alpha: f64) -> Option<GuardRow> {
    let everyone = Permuted::new(column, &vec![0; column.people.len()], 1)?;
    let mut worst = GuardVerdict::Pass;
    let mut finding = format!(
        "AUC {:.3} (p = {} with permuted labels)",
        everyone.auroc,
        p_value_text(everyone.p_value())
    );
    if everyone.auroc < 0.5 && everyone.p_value() < alpha {
        worst = GuardVerdict::Warn;
        finding += ", so it ranks cases below controls; are weights or labels reversed?";
    }
    let mut n_checked = 0;
    for grouping in groupings {
        let Some(within) = WithinGroups::new(column, grouping, alpha) else {
            continue;
        };
        n_checked += 1;
        worst = worst.max(within.verdict);
        finding += &within.finding;
    }
    if n_checked == 0 && worst == GuardVerdict::Pass {
        worst = GuardVerdict::NotRun;
    }
    Some(GuardRow::new(PERMUTED, worst, &column.model, finding))
}

/// Verdict of labels permuted within the groups of one grouping.
struct WithinGroups {
    verdict: GuardVerdict,
    /// To append to the finding about the model.
    finding: String,
}

impl WithinGroups {
    /// `None` with fewer than two groups that have both classes, or with too few samples in them.
    /// In a group of one class nothing could be permuted, so it is left out.
    fn new(column: &Column, grouping: &Grouping, alpha: f64) -> Option<Self> {
        let groups = groups_with_both_classes(column, grouping);
        let grouped = column.subset(|person| group_number(person, grouping, &groups).is_some());
        if groups.len() < 2 || grouped.people.len() < MIN_PEOPLE {
            return None;
        }
        let group_of: Vec<usize> = grouped
            .people
            .iter()
            .filter_map(|&person| group_number(person, grouping, &groups))
            .collect();
        let permuted = Permuted::new(&grouped, &group_of, groups.len())?;
        Some(Self::judge(&permuted, grouping, alpha))
    }

    fn judge(permuted: &Permuted, grouping: &Grouping, alpha: f64) -> Self {
        let auroc = permuted.auroc;
        let mean_within = permuted.mean_within;
        let name = &grouping.name;
        let text = format!(
            "; mean AUC {mean_within:.3} (of {auroc:.3}) when labels are permuted within {name}"
        );
        if upper_tail(permuted.z_within) >= alpha {
            return Self {
                verdict: GuardVerdict::Pass,
                finding: text,
            };
        }
        let share_left = (mean_within - 0.5) / (auroc - 0.5);
        // The fraction is negative where the model is below 0.5 and its mean within groups is not.
        if auroc <= mean_within || share_left >= MAY_STAY {
            Self {
                verdict: GuardVerdict::Fail,
                finding: format!(
                    "{text}, so the model separates these groups rather than cases from controls"
                ),
            }
        } else {
            Self {
                verdict: GuardVerdict::Warn,
                finding: format!("{text}, so part of the AUC comes from these groups"),
            }
        }
    }
}

/// Sorted groups with cases and controls among the samples of a column.
fn groups_with_both_classes(column: &Column, grouping: &Grouping) -> Vec<usize> {
    let mut classes_of_group: HashMap<usize, [usize; 2]> = HashMap::new();
    for (&person, &is_case) in column.people.iter().zip(&column.is_case) {
        if let Some(group) = grouping.group_of[person as usize] {
            classes_of_group.entry(group).or_default()[usize::from(is_case)] += 1;
        }
    }
    let mut groups: Vec<usize> = classes_of_group
        .into_iter()
        .filter(|(_, [n_controls, n_cases])| *n_controls > 0 && *n_cases > 0)
        .map(|(group, _)| group)
        .collect();
    groups.sort_unstable();
    groups
}

/// Position of a person's group in the sorted `groups`.
fn group_number(person: u32, grouping: &Grouping, groups: &[usize]) -> Option<usize> {
    let group = grouping.group_of[person as usize]?;
    groups.binary_search(&group).ok()
}
