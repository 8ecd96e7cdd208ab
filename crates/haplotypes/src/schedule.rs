//! Assigns records to loci, and opens and closes the loci.
//!
//! The first record of a locus opens it; the first record beyond its end closes it. Only open loci
//! need memory for their state.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{
    EmptyLoci, Error, InputsProblem, LocusHaplotypes, Regions,
    mask::Masks,
    window::{RecordAtLocus, SharedState, SiteProblem, Window},
};
use gf_genotypes::{
    Locus, Position0, Reference, VariantFile, VariantRecord, contig_key, same_contig,
};

/// Why a locus without a record may not be read as the reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmptyLocus {
    /// No locus has a record.
    #[error(
        "no record overlaps any locus of {regions}. Is the VCF empty? Do the VCF and the regions \
         use the same contig names and genome build?"
    )]
    All {
        /// The regions as given.
        regions: String,
    },
    /// No header has the contig.
    #[error(
        "no contig `{contig}` in the header, but locus `{locus}` is on it; is it in another file?"
    )]
    NoContig {
        /// The contig.
        contig: String,
        /// Name of the locus.
        locus: String,
    },
    /// The contig has no record.
    #[error("no record on contig `{contig}`, but locus `{locus}` is on it; is it in another file?")]
    EmptyContig {
        /// The contig.
        contig: String,
        /// Name of the locus.
        locus: String,
    },
    /// Other loci have records.
    #[error(
        "no record overlaps locus `{locus}` ({region}). Is the VCF of another genome build? If the \
         locus has no variants, remove it from {regions}"
    )]
    One {
        /// Name of the locus.
        locus: String,
        /// The locus as a region.
        region: String,
        /// The regions as given.
        regions: String,
    },
}

/// The loci of one contig.
#[derive(Default)]
struct ContigLoci {
    /// First base and number of each locus, ascending.
    starts: Vec<(Position0, usize)>,
    /// Length of the longest locus. No locus that starts further left can reach a record.
    longest_nt: usize,
}

/// The loci of a run: not yet open, open, or done.
pub struct Schedule<'o> {
    loci: &'o [(Locus, Masks)],
    reference: Reference,
    loci_of_contig: HashMap<String, ContigLoci>,
    open: BTreeMap<usize, Window>,
    done: Vec<Option<LocusHaplotypes>>,
    /// Number of the file that has records of a locus.
    file_of_locus: Vec<Option<usize>>,
}

/// The result of the pass over all files, to judge loci without records.
pub struct FilesRead<'r> {
    pub files: &'r [VariantFile],
    pub contigs_with_records: &'r HashSet<String>,
}

impl<'o> Schedule<'o> {
    /// Sorts the loci by contig and position; none is open.
    pub fn new(loci: &'o [(Locus, Masks)], reference: Reference) -> Self {
        let mut loci_of_contig: HashMap<String, ContigLoci> = HashMap::new();
        for (number, (locus, _)) in loci.iter().enumerate() {
            let contig_loci = loci_of_contig
                .entry(contig_key(&locus.contig).to_string())
                .or_default();
            contig_loci.starts.push((locus.start0, number));
            contig_loci.longest_nt = contig_loci.longest_nt.max(locus.len_nt());
        }
        for contig_loci in loci_of_contig.values_mut() {
            contig_loci.starts.sort_unstable();
        }
        let done = loci.iter().map(|_| None).collect();
        Self {
            loci,
            reference,
            loci_of_contig,
            open: BTreeMap::new(),
            done,
            file_of_locus: vec![None; loci.len()],
        }
    }

    /// Applies a record to every locus that it overlaps; `file` is the number of its file.
    ///
    /// # Errors
    /// A locus with records in two files or on two names of its contig, and the errors of
    /// [`Window::record`].
    pub fn record(
        &mut self,
        file: usize,
        site: RecordAtLocus<'_>,
        cohort: &mut SharedState<'_>,
    ) -> Result<(), Error> {
        self.close_before(site.record, cohort)?;
        for number in self.overlapping(site.record) {
            cohort.summary.n_records += 1;
            let locus = &self.loci[number].0;
            let earlier_file = self.file_of_locus[number].replace(file);
            if earlier_file.is_some_and(|earlier| earlier != file) {
                let locus = locus.name.clone();
                return Err(InputsProblem::LocusInTwoFiles { locus }.into());
            }
            if self.done[number].is_some() {
                let locus = locus.name.clone();
                return Err(site.refuse(None, SiteProblem::LocusOnTwoContigs { locus }));
            }
            if !self.open.contains_key(&number) {
                self.open(number, cohort)?;
            }
            if let Some(window) = self.open.get_mut(&number) {
                window.record(site, cohort)?;
            }
        }
        Ok(())
    }

    /// Closes the open loci that end before a record or are on another contig. Records are sorted,
    /// so no later record can reach them.
    fn close_before(
        &mut self,
        record: &VariantRecord,
        cohort: &mut SharedState<'_>,
    ) -> Result<(), Error> {
        let mut ended = Vec::new();
        for (&number, window) in &self.open {
            let locus = window.locus();
            if locus.end0 <= record.start0() || !same_contig(&locus.contig, &record.contig) {
                ended.push(number);
            }
        }
        for number in ended {
            self.close(number, cohort)?;
        }
        Ok(())
    }

    /// Numbers of the loci that a record overlaps, by their start.
    fn overlapping(&self, record: &VariantRecord) -> Vec<usize> {
        let Some(ContigLoci { starts, longest_nt }) =
            self.loci_of_contig.get(contig_key(&record.contig))
        else {
            return Vec::new();
        };
        let first = starts.partition_point(|(start0, _)| *start0 + *longest_nt <= record.start0());
        starts[first..]
            .iter()
            .take_while(|(start0, _)| *start0 < record.span_end0())
            .filter(|(_, number)| self.loci[*number].0.end0 > record.start0())
            .map(|&(_, number)| number)
            .collect()
    }

    fn open(&mut self, number: usize, cohort: &mut SharedState<'_>) -> Result<(), Error> {
        let (locus, masks) = &self.loci[number];
        let window = Window::open(locus, masks, &mut self.reference, cohort)?;
        self.open.insert(number, window);
        Ok(())
    }

    fn close(&mut self, number: usize, cohort: &mut SharedState<'_>) -> Result<(), Error> {
        if let Some(window) = self.open.remove(&number) {
            self.done[number] = Some(window.finish(cohort)?);
        }
        Ok(())
    }

    /// Closes all loci and returns their haplotypes in the order of the loci given.
    ///
    /// A locus without a record is either an error or the reference in all samples.
    ///
    /// # Errors
    /// A locus without a record that may not be read as the reference.
    pub fn finish(
        mut self,
        regions: &Regions,
        files_read: &FilesRead<'_>,
        empty_loci: EmptyLoci,
        cohort: &mut SharedState<'_>,
    ) -> Result<Vec<LocusHaplotypes>, Error> {
        let open: Vec<usize> = self.open.keys().copied().collect();
        for number in open {
            self.close(number, cohort)?;
        }
        for number in 0..self.loci.len() {
            if self.file_of_locus[number].is_none() {
                let locus = &self.loci[number].0;
                self.require_may_be_empty(locus, regions, files_read, empty_loci)
                    .map_err(|problem| files_read.refuse(problem))?;
                cohort.summary.loci_without_records.push(locus.name.clone());
                self.open(number, cohort)?;
                self.close(number, cohort)?;
            }
        }
        Ok(self.done.into_iter().flatten().collect())
    }

    /// Refuses a locus without a record that may not be read as the reference.
    fn require_may_be_empty(
        &self,
        locus: &Locus,
        regions: &Regions,
        files_read: &FilesRead<'_>,
        empty_loci: EmptyLoci,
    ) -> Result<(), EmptyLocus> {
        let Locus { name, contig, .. } = locus;
        if empty_loci == EmptyLoci::Refuse && self.file_of_locus.iter().all(Option::is_none) {
            return Err(EmptyLocus::All {
                regions: regions.to_string(),
            });
        }
        if !files_read
            .files
            .iter()
            .any(|file| file.may_have_contig(contig))
        {
            return Err(EmptyLocus::NoContig {
                contig: contig.clone(),
                locus: name.clone(),
            });
        }
        if !files_read
            .contigs_with_records
            .iter()
            .any(|with_records| same_contig(contig, with_records))
        {
            return Err(EmptyLocus::EmptyContig {
                contig: contig.clone(),
                locus: name.clone(),
            });
        }
        if empty_loci == EmptyLoci::Refuse {
            return Err(EmptyLocus::One {
                locus: name.clone(),
                region: locus.region(),
                regions: regions.to_string(),
            });
        }
        Ok(())
    }
}

impl FilesRead<'_> {
    /// An error that concerns all files.
    fn refuse(&self, problem: EmptyLocus) -> Error {
        let paths = self
            .files
            .iter()
            .map(|file| file.path().to_path_buf())
            .collect();
        Error::EmptyLocus { paths, problem }
    }
}
