//! Dictionaries of blocks of people and of loci, made one by one, to the dictionary of all.
//!
//! Input -> output: folders with `loci.json`, `pairs.csv` and `skips.csv` (that of [`super::Dictionary::save`] and [`super::SkipTable`]) -> what one
//! pass over all of them gives: the same bytes of `loci.json` and `pairs.csv`, the same counts, and the same rows of `skips.csv`, block after block.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use super::{
    ABSENT_HAPLOTYPE, Dictionary, Error, LocusHaplotypes, Skip, SkipLog, SkipTable, Summary,
    numbering::{Numbering, sorted},
};
use crate::output;

/// A block that is made.
#[derive(Clone, Debug)]
pub struct Shard {
    /// Its folder.
    pub folder: PathBuf,
    /// What was counted while it was made.
    pub summary: Summary,
}

impl Shard {
    fn refuse(&self, reason: String) -> Error {
        Error::Store { path: self.folder.clone(), reason }
    }
}

/// Merges blocks. Those of the same loci are blocks of people, one after the other in the order of the cohort; the people of all loci must be the
/// same. The table of skips is the caller's to save.
///
/// # Errors
/// Blocks that cannot be read, or do not belong together: other people, people or loci that stand in two, another reference or other policies.
pub fn merge(shards: &[Shard], skips: Option<&Path>) -> Result<(Dictionary, SkipTable, Summary), Error> {
    let mut groups: Vec<Vec<&Shard>> = Vec::new();
    for shard in shards {
        let same_loci =
            |group: &&mut Vec<&Shard>| group[0].summary.n_distinct_haplotypes.keys().eq(shard.summary.n_distinct_haplotypes.keys());
        match groups.iter_mut().find(same_loci) {
            Some(group) => group.push(shard),
            None => groups.push(vec![shard]),
        }
    }
    let mut log = SkipLog::create(skips)?;
    let mut summary = Summary::default();
    let mut merged: Option<Dictionary> = None;
    for group in groups {
        let of_group = of_one_group(&group)?;
        match &mut merged {
            None => merged = Some(of_group),
            Some(merged) => add_loci(merged, of_group, group[0])?,
        }
        add_counts(&mut summary, &group)?;
        for (number, shard) in group.iter().enumerate() {
            // What is said of a record, and of nobody, every block of people says.
            copy_skips(&shard.folder.join("skips.csv"), number == 0, &mut log)?;
        }
    }
    let dictionary = merged.ok_or_else(|| Error::Inputs("no sequences to merge".into()))?;
    let (counts, skips) = log.finish()?;
    summary.skips = counts;
    summary.n_people = dictionary.samples.len();
    summary.n_loci = dictionary.loci.len();
    summary.n_distinct_haplotypes = dictionary.loci.iter().map(|locus| (locus.locus.name.clone(), locus.haplotypes.len())).collect();
    Ok((dictionary, skips, summary))
}

/// Blocks of people at the same loci.
fn of_one_group(group: &[&Shard]) -> Result<Dictionary, Error> {
    let dictionaries = group.iter().map(|shard| Dictionary::load(&shard.folder)).collect::<Result<Vec<_>, _>>()?;
    let first = &dictionaries[0];
    let mut people = HashSet::new();
    for (dictionary, shard) in dictionaries.iter().zip(group) {
        let refuse = |reason: String| Err(shard.refuse(format!("{reason}; the other blocks were made from other files or options")));
        if (dictionary.encoding, dictionary.iupac) != (first.encoding, first.iupac) {
            return refuse("sequences of another encoding".into());
        }
        for (locus, other) in dictionary.loci.iter().zip(&first.loci) {
            let key = |locus: &LocusHaplotypes| (locus.locus.clone(), locus.contig_len_nt, locus.masks.clone());
            if key(locus) != key(other) || locus.reference != other.reference {
                return refuse(format!("locus `{}` is not the same", locus.locus.name));
            }
        }
        if let Some(person) = dictionary.samples.iter().find(|person| !people.insert(person.as_str())) {
            return Err(shard.refuse(format!("sample `{person}` is in an earlier block as well")));
        }
    }
    let samples = dictionaries.iter().flat_map(|dictionary| dictionary.samples.iter().cloned()).collect();
    let loci = (0..first.loci.len()).map(|number| {
        let parts: Vec<&LocusHaplotypes> = dictionaries.iter().map(|dictionary| &dictionary.loci[number]).collect();
        of_one_locus(&parts)
    });
    Ok(Dictionary { encoding: first.encoding, iupac: first.iupac, samples, loci: loci.collect() })
}

/// One locus of several blocks of people, numbered as if all had been read at once.
fn of_one_locus(parts: &[&LocusHaplotypes]) -> LocusHaplotypes {
    let all: Vec<_> = parts.iter().flat_map(|part| part.edits.iter().cloned()).collect();
    let (sorted_edits, new_number) = sorted(&all);
    let first = parts[0];
    let mut numbering = Numbering::new(&first.reference, first.locus.start0, &sorted_edits);
    let (mut pairs, mut n_edits_before) = (Vec::new(), 0);
    for part in parts {
        let number = |haplotype: &Vec<u32>| {
            let edits: Vec<u32> = haplotype.iter().map(|&edit| new_number[n_edits_before + edit as usize]).collect();
            numbering.number(&edits)
        };
        let numbers: Vec<u32> = part.haplotypes.iter().map(number).collect();
        let renumbered = |haplotype: u32| if haplotype == ABSENT_HAPLOTYPE { haplotype } else { numbers[haplotype as usize] };
        pairs.extend(part.pairs.iter().map(|pair| pair.map(renumbered)));
        n_edits_before += part.edits.len();
    }
    let (edits, haplotypes) = numbering.finish();
    let LocusHaplotypes { locus, contig_len_nt, masks, encoding, reference, .. } = first.clone();
    LocusHaplotypes { locus, contig_len_nt, masks, encoding, reference, edits, haplotypes, pairs }
}

/// The loci of a further group, of the same people.
fn add_loci(merged: &mut Dictionary, group: Dictionary, shard: &Shard) -> Result<(), Error> {
    if (group.encoding, group.iupac) != (merged.encoding, merged.iupac) {
        return Err(shard.refuse("sequences of another encoding than those of the other loci".into()));
    }
    if group.samples != merged.samples {
        let differs = merged.samples.iter().zip(&group.samples).find(|(one, other)| one != other);
        let reason = match differs {
            Some((one, other)) => format!("sample `{other}` stands where the other loci have `{one}`"),
            None => format!("{} people, where the other loci have {}", group.samples.len(), merged.samples.len()),
        };
        return Err(shard.refuse(format!("{reason}: every locus needs blocks of the same people, in the same order")));
    }
    let names: HashSet<&str> = merged.loci.iter().map(|locus| locus.locus.name.as_str()).collect();
    if let Some(locus) = group.loci.iter().find(|locus| names.contains(locus.locus.name.as_str())) {
        return Err(shard.refuse(format!("locus `{}` is in a block of other loci as well", locus.locus.name)));
    }
    merged.loci.extend(group.loci);
    Ok(())
}

/// Counts of a group: those of its loci are the same in each block of people.
fn add_counts(summary: &mut Summary, group: &[&Shard]) -> Result<(), Error> {
    let of_loci = |shard: &Shard| {
        let Summary { n_records, n_reference_iupac_as_n, n_masked_nt, .. } = shard.summary;
        [n_records, n_reference_iupac_as_n, n_masked_nt]
    };
    if let Some(other) = group.iter().find(|shard| of_loci(shard) != of_loci(group[0])) {
        let (here, there) = (other.summary.n_records, group[0].summary.n_records);
        return Err(other.refuse(format!("{here} records, where another block of these loci has {there}: made from other files or masks")));
    }
    let [n_records, n_reference_iupac_as_n, n_masked_nt] = of_loci(group[0]);
    summary.n_records += n_records;
    summary.n_reference_iupac_as_n += n_reference_iupac_as_n;
    summary.n_masked_nt += n_masked_nt;
    summary.loci_without_records.extend_from_slice(&group[0].summary.loci_without_records);
    for warning in group.iter().flat_map(|shard| &shard.summary.warnings) {
        if !summary.warnings.contains(warning) {
            summary.warnings.push(warning.clone());
        }
    }
    Ok(())
}

fn copy_skips(path: &Path, with_those_of_records: bool, log: &mut SkipLog) -> Result<(), Error> {
    let wrong = |error: csv::Error| Error::Store { path: path.into(), reason: error.to_string() };
    let file = std::fs::File::open(path).map_err(output::at(path))?;
    let mut table = csv::Reader::from_reader(file);
    let header = table.headers().map_err(wrong)?.clone();
    let mut row = csv::StringRecord::new();
    while table.read_record(&mut row).map_err(wrong)? {
        let skip: Skip<'_> = row.deserialize(Some(&header)).map_err(wrong)?;
        if with_those_of_records || !skip.sample_id.is_empty() {
            log.push(skip)?;
        }
    }
    Ok(())
}
