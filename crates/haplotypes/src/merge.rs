//! Dictionaries of blocks of people and of loci, made one by one, to the dictionary of all.
//!
//! Input -> output: folders with `loci.json`, `pairs.csv` and `skips.csv` (those of
//! [`super::Dictionary::save`] and [`super::SkipTable`]) -> what one pass over all of them gives:
//! the same bytes of `loci.json` and `pairs.csv`, the same counts, and the same rows of
//! `skips.csv`, block after block. Only the blocks of the same loci are in memory at once.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use super::{
    ABSENT_HAPLOTYPE, Dictionary, Encoding, Error, LocusHaplotypes, Skip, SkipLog, SkipTable,
    Summary,
    provenance::ContigLens,
    sequence_numbers::{SequenceNumbers, sorted},
    store::Writer,
};
use gf_cohort_schema::counted;
use gf_files::output;

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
        Error::Store {
            path: self.folder.clone(),
            reason,
        }
    }
}

/// The files of a merged dictionary, whole, but not yet under their names; dropped, they leave
/// nothing.
#[derive(Debug)]
#[must_use = "the files stand under their names once they are saved"]
pub struct Merged {
    dictionary: Writer,
    skips: SkipTable,
}

impl Merged {
    /// Puts `loci.json`, `pairs.csv` and `skips.csv` under their names.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn save(self) -> Result<(), Error> {
        self.dictionary.save()?;
        self.skips.save()
    }
}

/// Merges blocks into files in `out`. Those of the same loci are blocks of people, one after the
/// other in the order of the cohort; the people of all loci must be the same.
///
/// # Errors
/// Blocks that cannot be read, or do not belong together: other people, people or loci that stand
/// in two, another reference or other policies.
pub fn merge(shards: &[Shard], out: &Path) -> Result<(Merged, Summary), Error> {
    let mut groups: Vec<Vec<&Shard>> = Vec::new();
    for shard in shards {
        let same_loci = |group: &&mut Vec<&Shard>| {
            group[0]
                .summary
                .n_distinct_haplotypes
                .keys()
                .eq(shard.summary.n_distinct_haplotypes.keys())
        };
        match groups.iter_mut().find(same_loci) {
            Some(group) => group.push(shard),
            None => groups.push(vec![shard]),
        }
    }
    let mut log = SkipLog::create(Some(&out.join("skips.csv")))?;
    let mut summary = Summary::default();
    let mut written: Option<Written> = None;
    for group in groups {
        let of_group = of_one_group(&group)?;
        let written = match &mut written {
            None => written.insert(Written::create(&of_group, out)?),
            Some(written) => written,
        };
        written.add(&of_group, group[0], &mut summary)?;
        add_counts(&mut summary, &group)?;
        for (number, shard) in group.iter().enumerate() {
            // What is said of a record, and of nobody, every block of people says.
            copy_skips(&shard.folder.join("skips.csv"), number == 0, &mut log)?;
        }
    }
    let Written {
        samples, writer, ..
    } = written.ok_or_else(|| Error::Inputs("no sequences to merge".into()))?;
    let (counts, skips) = log.finish()?;
    summary.skips = counts;
    summary.n_people = samples.len();
    summary.n_loci = summary.n_distinct_haplotypes.len();
    Ok((
        Merged {
            dictionary: writer,
            skips,
        },
        summary,
    ))
}

/// Blocks of people at the same loci.
fn of_one_group(group: &[&Shard]) -> Result<Dictionary, Error> {
    let dictionaries = group
        .iter()
        .map(|shard| Dictionary::load(&shard.folder))
        .collect::<Result<Vec<_>, _>>()?;
    let first = &dictionaries[0];
    let mut people = HashSet::new();
    for (dictionary, shard) in dictionaries.iter().zip(group) {
        let refuse = |reason: String| {
            Err(shard.refuse(format!(
                "{reason}; the other blocks were made from other files or options"
            )))
        };
        if (dictionary.encoding, dictionary.iupac) != (first.encoding, first.iupac) {
            return refuse("sequences of another encoding".into());
        }
        if dictionary.loci.len() != first.loci.len() {
            let loci = counted(dictionary.loci.len(), "locus", "loci");
            return refuse(format!(
                "{loci}, where the other blocks have {}",
                first.loci.len()
            ));
        }
        for (locus, other) in dictionary.loci.iter().zip(&first.loci) {
            let key = |locus: &LocusHaplotypes| {
                (
                    locus.locus.clone(),
                    locus.contig_len_nt,
                    locus.masks.clone(),
                )
            };
            if key(locus) != key(other) || locus.reference != other.reference {
                return refuse(format!("locus `{}` is not the same", locus.locus.name));
            }
        }
        if let Some(person) = dictionary
            .samples
            .iter()
            .find(|person| !people.insert(person.as_str()))
        {
            return Err(shard.refuse(format!("sample `{person}` is in an earlier block as well")));
        }
    }
    let samples = dictionaries
        .iter()
        .flat_map(|dictionary| dictionary.samples.iter().cloned())
        .collect();
    let loci = (0..first.loci.len()).map(|number| {
        let parts: Vec<&LocusHaplotypes> = dictionaries
            .iter()
            .map(|dictionary| &dictionary.loci[number])
            .collect();
        of_one_locus(&parts)
    });
    Ok(Dictionary {
        encoding: first.encoding,
        iupac: first.iupac,
        samples,
        loci: loci.collect(),
    })
}

/// One locus of several blocks of people, numbered as if all had been read at once.
fn of_one_locus(parts: &[&LocusHaplotypes]) -> LocusHaplotypes {
    let all: Vec<_> = parts
        .iter()
        .flat_map(|part| part.edits.iter().cloned())
        .collect();
    let (sorted_edits, new_number) = sorted(&all);
    let first = parts[0];
    let mut numbering = SequenceNumbers::new(&first.reference, first.locus.start0, &sorted_edits);
    let mut pairs = Vec::new();
    let mut n_edits_before = 0;
    for part in parts {
        let number = |haplotype: &Vec<u32>| {
            let edits: Vec<u32> = haplotype
                .iter()
                .map(|&edit| new_number[n_edits_before + edit as usize])
                .collect();
            numbering.number(&edits)
        };
        let numbers: Vec<u32> = part.haplotypes.iter().map(number).collect();
        let renumbered = |haplotype: u32| {
            if haplotype == ABSENT_HAPLOTYPE {
                haplotype
            } else {
                numbers[haplotype as usize]
            }
        };
        pairs.extend(part.pairs.iter().map(|pair| pair.map(renumbered)));
        n_edits_before += part.edits.len();
    }
    let (edits, haplotypes) = numbering.finish();
    let LocusHaplotypes {
        locus,
        contig_len_nt,
        masks,
        encoding,
        reference,
        ..
    } = first.clone();
    LocusHaplotypes {
        locus,
        contig_len_nt,
        masks,
        encoding,
        reference,
        edits,
        haplotypes,
        pairs,
    }
}

/// The loci that are written, without their haplotypes.
struct Written {
    samples: Vec<String>,
    /// What the letters are, and whether IUPAC codes are among them.
    letters: (Encoding, bool),
    contigs: ContigLens,
    writer: Writer,
}

impl Written {
    /// None of them yet; `first` are the first ones.
    fn create(first: &Dictionary, out: &Path) -> Result<Self, Error> {
        let Dictionary {
            encoding,
            iupac,
            samples,
            ..
        } = first;
        let writer = Writer::create(out, *encoding, *iupac)?;
        Ok(Self {
            samples: samples.clone(),
            letters: (*encoding, *iupac),
            contigs: ContigLens::default(),
            writer,
        })
    }

    /// The loci of a group, of the same people.
    fn add(
        &mut self,
        group: &Dictionary,
        shard: &Shard,
        summary: &mut Summary,
    ) -> Result<(), Error> {
        if (group.encoding, group.iupac) != self.letters {
            return Err(
                shard.refuse("sequences of another encoding than those of the other loci".into())
            );
        }
        require_same_order(&group.samples, &self.samples).map_err(|reason| shard.refuse(reason))?;
        for locus in &group.loci {
            self.contigs
                .add(&locus.locus, locus.contig_len_nt)
                .map_err(|reason| shard.refuse(reason))?;
            let name = &locus.locus.name;
            if summary
                .n_distinct_haplotypes
                .insert(name.clone(), locus.haplotypes.len())
                .is_some()
            {
                return Err(shard.refuse(format!(
                    "locus `{name}` is in a block of other loci as well"
                )));
            }
            self.writer.add(&self.samples, locus)?;
        }
        Ok(())
    }
}

/// Refuses blocks of loci of other people, or of the same in another order.
///
/// # Errors
/// Says where they differ from those `of_others`.
pub fn require_same_order(people: &[String], of_others: &[String]) -> Result<(), String> {
    if people == of_others {
        return Ok(());
    }
    let reason = match people
        .iter()
        .zip(of_others)
        .find(|(one, other)| one != other)
    {
        Some((one, other)) => format!("sample `{one}` stands where the other loci have `{other}`"),
        None => format!(
            "{}, where the other loci have {}",
            counted(people.len(), "person", "people"),
            of_others.len()
        ),
    };
    Err(format!(
        "{reason}: every locus needs blocks of the same people, in the same order"
    ))
}

/// Counts of a group: those of its loci are the same in each block of people.
fn add_counts(summary: &mut Summary, group: &[&Shard]) -> Result<(), Error> {
    let of_loci = |shard: &Shard| {
        let Summary {
            n_records,
            n_reference_iupac_as_n,
            n_masked_nt,
            ..
        } = shard.summary;
        [n_records, n_reference_iupac_as_n, n_masked_nt]
    };
    if let Some(other) = group
        .iter()
        .find(|shard| of_loci(shard) != of_loci(group[0]))
    {
        let here = other.summary.n_records;
        let there = group[0].summary.n_records;
        let here = counted(here, "record", "records");
        return Err(other.refuse(format!(
            "{here}, where another block of these loci has {there}: made from other files or masks"
        )));
    }
    let [n_records, n_reference_iupac_as_n, n_masked_nt] = of_loci(group[0]);
    summary.n_records += n_records;
    summary.n_reference_iupac_as_n += n_reference_iupac_as_n;
    summary.n_masked_nt += n_masked_nt;
    summary
        .loci_without_records
        .extend_from_slice(&group[0].summary.loci_without_records);
    for warning in group.iter().flat_map(|shard| &shard.summary.warnings) {
        if !summary.warnings.contains(warning) {
            summary.warnings.push(warning.clone());
        }
    }
    Ok(())
}

fn copy_skips(path: &Path, with_those_of_records: bool, log: &mut SkipLog) -> Result<(), Error> {
    let wrong = |error: csv::Error| Error::Store {
        path: path.into(),
        reason: error.to_string(),
    };
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
