//! Guards against leakage, run on the scores alone: what makes an AUROC look better than it is.
//!
//! Input -> output: scores and what is known of the people -> one row of `guards.csv` a finding.
//! Guards of other stages (kinship, a score's own study) are in the `guards.csv` beside the
//! predictions. Each reports what it found, or that it found nothing, or that it could not look:
//! then its verdict is `not-run`, never `pass`.
//!
//! | guard | fails when |
//! |---|---|
//! | `person-in-two-splits` | `cohort.csv` has someone in another split than the predictions (two predictions that disagree are an error) |
//! | `phenotype-differs` | `cohort.csv` has a case whom the predictions have as a control, or the reverse |
//! | `family-in-two-splits` | people of one `family_id` are in two splits |
//! | `too-good` | (a warning) a model tells almost every case from almost every control |
//! | `identical-scores` | a sequence model predicts the same for everyone as another model |
//! | `permuted-labels` | at least half of a model's AUC above 0.5 stays when labels are permuted within ancestry, family or quintiles of PC1 |
//! | `stratification` | principal components alone (`prs-pcs`, or those of `cohort.csv`) tell cases from controls, and a model is not better |
//! | `test-better-than-train` | a model ranks people of the test split better than those it was fitted on |
//!
//! What chance could make a guard say in one of a thousand cohorts is no finding; a guard that
//! looks at several models, or several ways, divides this chance among them (Bonferroni).

use std::collections::{BTreeMap, HashMap};

use gf_cohort_schema::{GuardRow, GuardVerdict, Role, STACKED, Split, is_baseline};

use rayon::prelude::*;

use super::{
    auroc::placements,
    components,
    delong::Placements,
    permutation::Permuted,
    roc::ties,
    scores::{Column, Scores},
    strata::Known,
};
use crate::layout;
use crate::report::p_value;
use gf_cohort_schema::counted;
use gf_stats::normal::upper_tail;

const PERSON: &str = "person-in-two-splits";
const PHENOTYPE: &str = "phenotype-differs";
const TOO_GOOD: &str = "too-good";
const FAMILY: &str = "family-in-two-splits";
const IDENTICAL: &str = "identical-scores";
const PERMUTED: &str = "permuted-labels";
/// Subject of a finding about every model.
const ALL_MODELS: &str = "all models";
const STRATIFICATION: &str = "stratification";
const TEST_BETTER: &str = "test-better-than-train";
/// All guards here.
pub const NAMES: [&str; 8] = [
    PERSON,
    PHENOTYPE,
    FAMILY,
    TOO_GOOD,
    IDENTICAL,
    PERMUTED,
    STRATIFICATION,
    TEST_BETTER,
];

/// Model of the principal components alone.
const PCS: &str = "prs-pcs";
/// The guards of the cohort table.
const COHORT: &str = layout::COHORT;
/// Chance of a false alarm of one guard that is taken, one-sided.
const ALPHA: f64 = 0.001;
/// A model is called better than the principal components at this one-sided p-value.
const BETTER: f64 = 0.05;
/// Share of the AUC above one half that may stay when labels are permuted among people who are
/// alike.
const MAY_STAY: f64 = 0.5;
/// AUROC above which a model is not believed.
const BELIEVABLE: f64 = 0.99;
/// Fewer people show nothing that chance could not do.
const MIN_PEOPLE: usize = 50;
/// Share of the people with one logit that is worth a word.
const MANY: f64 = 0.1;
/// Who of them a second model must tell apart.
const TOLD_APART: f64 = 0.5;

/// All guards, in the order of the table above.
pub fn run(scores: &Scores, known: &Known) -> Vec<GuardRow> {
    let last = scores
        .last_split()
        .map_or(&[][..], |split| scores.in_split(split));
    let mut rows = vec![
        person_in_two_splits(scores, known),
        phenotype_differs(scores, known),
        family_in_two_splits(scores, known),
    ];
    rows.extend(too_good(last));
    rows.extend(identical_scores(last));
    rows.extend(permuted_labels(scores, known, last));
    rows.extend(stratification(scores, known, last));
    rows.extend(test_better_than_train(scores));
    rows
}

/// `rows`, or one that says that nothing was found.
fn or_pass(
    rows: Vec<GuardRow>,
    guard: &str,
    subject: &str,
    finding: impl Into<String>,
) -> Vec<GuardRow> {
    if rows.is_empty() {
        vec![GuardRow::new(guard, GuardVerdict::Pass, subject, finding)]
    } else {
        rows
    }
}

fn person_in_two_splits(scores: &Scores, known: &Known) -> GuardRow {
    let people = counted(scores.people.len(), "person", "people");
    let row =
        |verdict, subject: &str, finding: String| GuardRow::new(PERSON, verdict, subject, finding);
    let splits = known.has_cohort().then(|| known.cells("split")).flatten();
    let stated = scores
        .people
        .iter()
        .zip(splits.iter().flatten())
        .filter(|(person, cell)| person.states_split && cell.is_some());
    let (n_compared, differing) = stated.fold((0, 0), |(n, differing), (person, cell)| {
        let differs =
            cell.is_some_and(|split| !split.eq_ignore_ascii_case(&person.split.to_string()));
        (n + 1, differing + usize::from(differs))
    });
    match (n_compared, differing) {
        (0, _) if scores.n_files > 1 && scores.people.iter().any(|person| person.states_split) => {
            row(
                GuardVerdict::Pass,
                "predictions",
                format!("{people}, each in one split in all predictions"),
            )
        }
        (0, _) => {
            let finding = "splits are stated once only, in one table of predictions or in \
                           cohort.csv: nothing to compare them with";
            row(GuardVerdict::NotRun, COHORT, finding.to_owned())
        }
        (n, 0) => {
            let people = counted(n, "person", "people");
            row(
                GuardVerdict::Pass,
                COHORT,
                format!("{people}, each in the split that cohort.csv states"),
            )
        }
        (_, n) => {
            let predicted = counted(
                n,
                "person was predicted in another split than cohort.csv has",
                "people were predicted in other splits than cohort.csv has",
            );
            row(
                GuardVerdict::Fail,
                COHORT,
                format!("of {people}, {predicted}; use one cohort.csv throughout"),
            )
        }
    }
}

/// Cells are compared by what most people with the same cell are, as the coding of a cohort is not
/// known here; `case` and `control` mean what they say.
fn phenotype_differs(scores: &Scores, known: &Known) -> GuardRow {
    let cells = known
        .has_cohort()
        .then(|| known.cells("phenotype"))
        .flatten();
    let Some(cells) = cells else {
        return GuardRow::new(
            PHENOTYPE,
            GuardVerdict::NotRun,
            COHORT,
            "no cohort.csv with a column phenotype was given (--cohort)",
        );
    };
    if !scores.people.iter().any(|person| person.states_phenotype) {
        let finding = "no phenotype was read from the predictions: those of cohort.csv are used \
                       (PLINK's PHENO1 too is not read next to it), and there is nothing to \
                       compare them with";
        return GuardRow::new(PHENOTYPE, GuardVerdict::NotRun, COHORT, finding);
    }
    let mut counts: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for (person, cell) in scores
        .people
        .iter()
        .zip(cells)
        .filter(|(person, _)| person.states_phenotype)
    {
        let class = person
            .phenotype
            .map_or(2, |phenotype| usize::from(phenotype.is_case()));
        counts.entry(cell.unwrap_or_default()).or_default()[class] += 1;
    }
    let differ = |(cell, counts): (&&str, &[usize; 3])| {
        let meant = match cell.to_ascii_lowercase().as_str() {
            "control" => counts[0],
            "case" => counts[1],
            _ => counts.iter().copied().max().unwrap_or_default(),
        };
        counts.iter().sum::<usize>() - meant
    };
    let people = counted(counts.values().flatten().sum::<usize>(), "person", "people");
    match counts.iter().map(differ).sum::<usize>() {
        0 => {
            let finding = format!("{people}, each with the phenotype that cohort.csv states");
            GuardRow::new(PHENOTYPE, GuardVerdict::Pass, COHORT, finding)
        }
        n => {
            let differing = counted(n, "has", "have");
            let finding = format!(
                "of {people}, {differing} another phenotype in cohort.csv than in the \
                 predictions; use one cohort.csv throughout, and predict again"
            );
            GuardRow::new(PHENOTYPE, GuardVerdict::Fail, COHORT, finding)
        }
    }
}

fn too_good(columns: &[Column]) -> Vec<GuardRow> {
    let areas: Vec<(f64, &Column)> = columns
        .iter()
        .filter_map(|column| Some((placements_of_many(column)?.auroc(), column)))
        .collect();
    let row = |(auroc, column): &(f64, &Column)| {
        let finding = format!(
            "AUC {auroc:.4}: nothing that is known before the disease tells it so well; is one of \
             its inputs the diagnosis, or made from it?"
        );
        GuardRow::new(TOO_GOOD, GuardVerdict::Warn, &column.model, finding)
    };
    let Some(best) = areas.iter().map(|(auroc, _)| *auroc).reduce(f64::max) else {
        return vec![GuardRow::new(
            TOO_GOOD,
            GuardVerdict::NotRun,
            ALL_MODELS,
            "too few people, or of one class",
        )];
    };
    let rows = areas
        .iter()
        .filter(|(auroc, _)| *auroc > BELIEVABLE)
        .map(row)
        .collect();
    or_pass(
        rows,
        TOO_GOOD,
        ALL_MODELS,
        format!("the best AUC is {best:.3}"),
    )
}

fn family_in_two_splits(scores: &Scores, known: &Known) -> GuardRow {
    let Some(families) = known.cells("family_id") else {
        let finding = "no cohort.csv with a column family_id was given (--cohort)";
        return GuardRow::new(FAMILY, GuardVerdict::NotRun, COHORT, finding);
    };
    let mut people_of: BTreeMap<&str, Vec<Split>> = BTreeMap::new();
    for (person, family) in scores.people.iter().zip(families) {
        if let Some(family) = family {
            people_of.entry(family).or_default().push(person.split);
        }
    }
    let across: Vec<&Vec<Split>> = people_of
        .values()
        .filter(|splits| splits.iter().any(|split| *split != splits[0]))
        .collect();
    let families = counted(people_of.len(), "family", "families");
    if people_of.is_empty() {
        return GuardRow::new(
            FAMILY,
            GuardVerdict::NotRun,
            COHORT,
            "the column family_id is empty for everyone predicted",
        );
    }
    if across.is_empty() {
        return GuardRow::new(
            FAMILY,
            GuardVerdict::Pass,
            COHORT,
            format!("{families}, each in one split"),
        );
    }
    let in_test = across
        .iter()
        .flat_map(|splits| *splits)
        .filter(|split| **split == Split::Test)
        .count();
    let n_test = scores
        .people
        .iter()
        .filter(|person| person.split == Split::Test)
        .count();
    let finding = format!(
        "of {families}, {} in two splits; of {}, {} relatives outside the test split; put a \
         family into one split",
        counted(across.len(), "is", "are"),
        counted(n_test, "test person", "test people"),
        counted(in_test, "has", "have")
    );
    GuardRow::new(FAMILY, GuardVerdict::Fail, COHORT, finding)
}

/// Groups of people with one logit, the largest.
fn largest_tie(column: &Column) -> &[u32] {
    ties(&column.logits, &column.order)
        .max_by_key(|group| group.len())
        .unwrap_or_default()
}

fn identical_scores(columns: &[Column]) -> Vec<GuardRow> {
    if columns.len() < 2 {
        return vec![GuardRow::new(
            IDENTICAL,
            GuardVerdict::NotRun,
            ALL_MODELS,
            "one model only: nothing to compare it with",
        )];
    }
    let mut rows = Vec::new();
    for (index, column) in columns.iter().enumerate() {
        let tied = largest_tie(column);
        if tied.len() == column.people.len() {
            continue;
        }
        let is_same =
            |other: &&Column| other.people == column.people && other.logits == column.logits;
        for other in columns[..index]
            .iter()
            .filter(is_same)
            .filter(|other| !is_additive_part(&column.model, &other.model))
        {
            rows.push(identical(column, other));
        }
    }
    let may_be_unread = |column: &&Column| {
        column.role.reads_genomes() && column.role != Role::Apoe && !is_baseline(&column.model)
    };
    for column in columns.iter().filter(may_be_unread) {
        let tied = largest_tie(column);
        let n = tied.len();
        let n_people = column.people.len();
        if n < MIN_PEOPLE.min(n_people) || (n as f64) < MANY * n_people as f64 {
            continue;
        }
        let tells_apart = |other: &&Column| {
            let is_comparable = other.role.reads_genomes() && other.role != Role::Apoe;
            if other.people != column.people || !is_comparable {
                return false;
            }
            let mut logits: Vec<f64> = tied
                .iter()
                .map(|&place| other.logits[place as usize])
                .collect();
            logits.sort_unstable_by(f64::total_cmp);
            logits.dedup();
            logits.len() as f64 > TOLD_APART * n as f64
        };
        if let Some(other) = columns.iter().find(tells_apart) {
            let finding = format!(
                "{n} of {n_people} people have the same score, and {} has different scores for \
                 them: few variants count, or genotypes were not read",
                other.model
            );
            rows.push(GuardRow::new(
                IDENTICAL,
                GuardVerdict::Warn,
                &column.model,
                finding,
            ));
        }
    }
    or_pass(
        rows,
        IDENTICAL,
        ALL_MODELS,
        format!("{} models, no two alike", columns.len()),
    )
}

/// What two models that predict the same mean: two baselines of this program may well be the same,
/// as two that chose the same variants are.
fn identical(column: &Column, other: &Column) -> GuardRow {
    let people = counted(column.people.len(), "person", "people");
    let other_model = &other.model;
    let row = |verdict, finding: String| GuardRow::new(IDENTICAL, verdict, &column.model, finding);
    if is_baseline(&column.model) && is_baseline(other_model) {
        return row(
            GuardVerdict::Pass,
            format!(
                "predicts the same as {other_model} for all {people}: the two baselines count as \
                 one"
            ),
        );
    }
    if column.role.is_baseline() && other.role.is_baseline() {
        return row(
            GuardVerdict::Warn,
            format!(
                "the same scores as {other_model} for all {people}: is one score given under two \
                 names?"
            ),
        );
    }
    row(
        GuardVerdict::Fail,
        format!(
            "the same scores as {other_model} for all {people}: are these predictions of one \
             model under two names?"
        ),
    )
}

/// Whether one model is the additive term of the other, which predicts the same where no deep term
/// helps.
fn is_additive_part(one: &str, other: &str) -> bool {
    let is_part = |part: &str, whole: &str| {
        part.strip_suffix("-additive") == Some(whole)
            || part == "additive" && whole.starts_with("additive+")
    };
    // Models with different deep terms that do not help are all the same additive term.
    let both_have_it = one.starts_with("additive+") && other.starts_with("additive+");
    is_part(one, other) || is_part(other, one) || both_have_it
}

/// People who are alike in something that should not matter.
struct Alike {
    what: String,
    /// Of each person of [`Scores::people`]; `None` where unknown.
    stratum_of: Vec<Option<usize>>,
}

fn alike(scores: &Scores, known: &Known, split: Split) -> Vec<Alike> {
    let mut found = Vec::new();
    let by_text = |name: &str| {
        let cells = known.cells(name)?;
        let mut index: HashMap<&str, usize> = HashMap::new();
        let stratum_of = cells.into_iter().map(|cell| {
            let next = index.len();
            Some(*index.entry(cell?).or_insert(next))
        });
        Some(Alike {
            what: name.to_owned(),
            stratum_of: stratum_of.collect(),
        })
    };
    found.extend(known.ancestry().and_then(by_text));
    found.extend(by_text("family_id"));
    found.extend(quintiles(scores, known, split));
    found
}

/// Fifths of the people of a split by their first principal component.
fn quintiles(scores: &Scores, known: &Known, split: Split) -> Option<Alike> {
    let cells = known.cells("PC1")?;
    let mut values: Vec<(f64, usize)> = cells
        .iter()
        .enumerate()
        .filter(|(person, _)| scores.people[*person].split == split)
        .filter_map(|(person, cell)| {
            Some((
                cell.and_then(|cell| cell.parse::<f64>().ok())
                    .filter(|value| value.is_finite())?,
                person,
            ))
        })
        .collect();
    values.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let mut stratum_of = vec![None; scores.people.len()];
    for (rank, (_, person)) in values.iter().enumerate() {
        stratum_of[*person] = Some(5 * rank / values.len());
    }
    Some(Alike {
        what: "quintiles of PC1".to_owned(),
        stratum_of,
    })
}

fn permuted_labels(scores: &Scores, known: &Known, columns: &[Column]) -> Vec<GuardRow> {
    let Some(split) = scores.last_split() else {
        return Vec::new();
    };
    let alike = alike(scores, known, split);
    let columns: Vec<&Column> = columns
        .iter()
        .filter(|column| column.role.reads_genomes())
        .collect();
    let alpha = ALPHA / (columns.len() * alike.len()).max(1) as f64;
    let rows: Vec<GuardRow> = columns
        .into_par_iter()
        .filter_map(|column| {
            let everyone = Permuted::new(column, &vec![0; column.people.len()], 1)?;
            let mut worst = GuardVerdict::Pass;
            let mut finding = format!(
                "AUC {:.3}; as far from 0.5 under permuted labels with p = {}",
                everyone.auroc,
                p_value(everyone.p_value())
            );
            if everyone.auroc < 0.5 && everyone.p_value() < alpha {
                worst = GuardVerdict::Warn;
                finding += ": it ranks cases below controls; are weights or labels reversed?";
            }
            let mut n_looked = 0;
            for alike in &alike {
                let Some((verdict, text)) = within(column, alike, alpha) else {
                    continue;
                };
                n_looked += 1;
                worst = worst.max(verdict);
                finding += &text;
            }
            if n_looked == 0 && worst == GuardVerdict::Pass {
                worst = GuardVerdict::NotRun;
            }
            Some(GuardRow::new(PERMUTED, worst, &column.model, finding))
        })
        .collect();
    let not_run =
        |finding: &str| GuardRow::new(PERMUTED, GuardVerdict::NotRun, ALL_MODELS, finding);
    if rows.is_empty() {
        return vec![not_run(
            "no model of genomes has both classes and differing scores",
        )];
    }
    let (looked, others): (Vec<GuardRow>, Vec<GuardRow>) = rows
        .into_iter()
        .partition(|row| row.verdict != GuardVerdict::NotRun);
    let of_others = (!others.is_empty()).then(|| {
        let names: Vec<String> = others.into_iter().map(|row| row.subject).collect();
        let reason = "no ancestry, families or PC1 with enough people of both classes to permute \
                      labels within (--cohort)";
        not_run(&format!("{reason}: {}", names.join(", ")))
    });
    looked.into_iter().chain(of_others).collect()
}

/// What stays of a model's AUC when labels are permuted among people who are alike; `None` with too
/// few of them. Of strata with one class only nothing could be permuted, so they are left out.
fn within(column: &Column, alike: &Alike, alpha: f64) -> Option<(GuardVerdict, String)> {
    let mut classes: HashMap<usize, [usize; 2]> = HashMap::new();
    for (&person, &is_case) in column.people.iter().zip(&column.is_case) {
        if let Some(stratum) = alike.stratum_of[person as usize] {
            classes.entry(stratum).or_default()[usize::from(is_case)] += 1;
        }
    }
    classes.retain(|_, [controls, cases]| *controls > 0 && *cases > 0);
    let mut strata: Vec<usize> = classes.keys().copied().collect();
    strata.sort_unstable();
    let number = |person: u32| {
        alike.stratum_of[person as usize].and_then(|stratum| strata.binary_search(&stratum).ok())
    };
    let column = column.subset(|person| number(person).is_some());
    if strata.len() < 2 || column.people.len() < MIN_PEOPLE {
        return None;
    }
    let stratum_of: Vec<usize> = column
        .people
        .iter()
        .filter_map(|&person| number(person))
        .collect();
    let permuted = Permuted::new(&column, &stratum_of, strata.len())?;
    let Permuted {
        auroc,
        mean_within,
        z_within,
        ..
    } = permuted;
    let told = format!(
        "; {mean_within:.3} (of {auroc:.3}) when permuted within {}",
        alike.what
    );
    if upper_tail(z_within) >= alpha {
        return Some((GuardVerdict::Pass, told));
    }
    let stays = (mean_within - 0.5) / (auroc - 0.5);
    let is_most = auroc <= mean_within || stays >= MAY_STAY;
    let verdict = if is_most {
        GuardVerdict::Fail
    } else {
        GuardVerdict::Warn
    };
    let advice = if is_most {
        "it tells these groups apart rather than the disease"
    } else {
        "a part of it tells these groups apart"
    };
    Some((verdict, format!("{told}: {advice}")))
}

/// Placements of at least [`MIN_PEOPLE`] people of both classes.
fn placements_of_many(column: &Column) -> Option<Placements> {
    placements(column)
        .ok()
        .filter(|_| column.people.len() >= MIN_PEOPLE)
}

fn stratification(scores: &Scores, known: &Known, columns: &[Column]) -> Vec<GuardRow> {
    let not_run = |finding: String| {
        vec![GuardRow::new(
            STRATIFICATION,
            GuardVerdict::NotRun,
            PCS,
            finding,
        )]
    };
    let pcs = match columns.iter().find(|column| column.role == Role::Probe) {
        Some(probe) => probe.clone(),
        None => match components::alone(scores, known) {
            Ok(column) => column,
            Err(reason) => return not_run(reason),
        },
    };
    let Some(of_pcs) = placements_of_many(&pcs) else {
        return not_run("too few people, or of one class".to_owned());
    };
    let auroc = of_pcs.auroc();
    let z = of_pcs
        .variance()
        .map_or(0.0, |variance| (auroc - 0.5) / variance.sqrt());
    if upper_tail(z) >= ALPHA {
        return or_pass(
            Vec::new(),
            STRATIFICATION,
            PCS,
            format!("the principal components alone have AUC {auroc:.3}, not above 0.5"),
        );
    }
    let compared: Vec<Beside> = columns
        .iter()
        .filter(|column| column.role.reads_genomes())
        .filter_map(|column| beside(column, &pcs))
        .collect();
    if compared.is_empty() {
        return not_run(format!(
            "the principal components alone have AUC {auroc:.3}, above 0.5, and no model of the \
             same people to compare"
        ));
    }
    let row = |Beside {
                   model, own, pcs, ..
               }: &Beside| {
        let finding = format!(
            "AUC {own:.3} is not above the {pcs:.3} of the principal components alone: ancestry \
             or a batch, not the disease"
        );
        GuardRow::new(STRATIFICATION, GuardVerdict::Fail, model, finding)
    };
    let rows: Vec<GuardRow> = compared
        .iter()
        .filter(|model| !model.is_better)
        .map(row)
        .collect();
    if !rows.is_empty() {
        return rows;
    }
    let finding = format!(
        "the principal components alone have AUC {auroc:.3}, above 0.5; {} of genomes with the \
         same people, each better",
        counted(compared.len(), "model", "models")
    );
    vec![GuardRow::new(
        STRATIFICATION,
        GuardVerdict::Warn,
        PCS,
        finding,
    )]
}

/// A model next to the principal components alone, on the people whom both predict.
struct Beside {
    model: String,
    own: f64,
    pcs: f64,
    is_better: bool,
}

fn beside(column: &Column, pcs: &Column) -> Option<Beside> {
    let here = column.subset(|person| pcs.people.binary_search(&person).is_ok());
    let there = pcs.subset(|person| here.people.binary_search(&person).is_ok());
    let of_model = placements_of_many(&here)?;
    let of_pcs = placements_of_many(&there)?;
    let test = of_model.paired_test(&of_pcs);
    let is_better = test.delta > 0.0
        && test
            .inference
            .is_none_or(|(_, p_value)| p_value / 2.0 < BETTER);
    Some(Beside {
        model: column.model.clone(),
        own: of_model.auroc(),
        pcs: of_pcs.auroc(),
        is_better,
    })
}

fn test_better_than_train(scores: &Scores) -> Vec<GuardRow> {
    let models: Vec<(&str, Placements, Placements)> = scores
        .in_split(Split::Test)
        .iter()
        .filter(|column| column.model != STACKED)
        .filter_map(|test| {
            let train = scores.column(Split::Train, &test.model)?;
            Some((
                test.model.as_str(),
                placements_of_many(test)?,
                placements_of_many(train)?,
            ))
        })
        .collect();
    let mut rows = Vec::new();
    let mut optimism: Option<(f64, f64, f64, &str)> = None;
    for (model, on_test, on_train) in &models {
        let test = on_test.auroc();
        let train = on_train.auroc();
        if optimism.is_none_or(|(largest, ..)| train - test > largest) {
            optimism = Some((train - test, train, test, model));
        }
        let Some(variance) = on_test
            .variance()
            .zip(on_train.variance())
            .map(|(a, b)| a + b)
        else {
            continue;
        };
        if test > train
            && upper_tail((test - train) / variance.sqrt()) < ALPHA / models.len() as f64
        {
            let finding = format!(
                "AUC {test:.3} on test, {train:.3} on train: better where it was not fitted; were \
                 weights or scoring file made with the test people?"
            );
            rows.push(GuardRow::new(
                TEST_BETTER,
                GuardVerdict::Fail,
                *model,
                finding,
            ));
        }
    }
    match optimism {
        None => vec![GuardRow::new(
            TEST_BETTER,
            GuardVerdict::NotRun,
            ALL_MODELS,
            "no model has predictions of enough people of both classes on train and test",
        )],
        Some((optimism, train, test, model)) => {
            let finding = format!(
                "{}; largest optimism {optimism:+.3}, of {model}: AUC {train:.3} on train, \
                 {test:.3} on test",
                counted(models.len(), "model", "models")
            );
            or_pass(rows, TEST_BETTER, ALL_MODELS, finding)
        }
    }
}
