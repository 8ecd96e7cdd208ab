//! Which loci a record belongs to, and which are held open: a locus is opened by its first record
//! and closed once a record lies behind it.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{
    EmptyLoci, Error, LocusHaplotypes, Options,
    mask::Masks,
    window::{RecordAtLocus, SharedState, Window},
};
use gf_genotypes::{Locus, Reference, VariantFile, VariantRecord, contig_key, same_contig};

/// The loci of one contig, by place.
#[derive(Default)]
struct OnContig {
    /// First base and number of each locus, ascending.
    starts: Vec<(usize, usize)>,
    longest_nt: usize,
}

/// The loci of a run, and how far each is.
pub struct Schedule<'o> {
    loci: &'o [(Locus, Masks)],
    reference: Reference,
    on_contig: HashMap<String, OnContig>,
    open: BTreeMap<usize, Window>,
    done: Vec<Option<LocusHaplotypes>>,
    /// Number of the file that has records of a locus.
    file_of_locus: Vec<Option<usize>>,
}

impl<'o> Schedule<'o> {
    /// Nothing is open.
    pub fn new(loci: &'o [(Locus, Masks)], reference: Reference) -> Self {
        let mut on_contig: HashMap<String, OnContig> = HashMap::new();
        for (number, (locus, _)) in loci.iter().enumerate() {
            let here = on_contig
                .entry(contig_key(&locus.contig).to_string())
                .or_default();
            here.starts.push((locus.start0, number));
            here.longest_nt = here.longest_nt.max(locus.len_nt());
        }
        for here in on_contig.values_mut() {
            here.starts.sort_unstable();
        }
        let done = loci.iter().map(|_| None).collect();
        Self {
            loci,
            reference,
            on_contig,
            open: BTreeMap::new(),
            done,
            file_of_locus: vec![None; loci.len()],
        }
    }

    /// Takes a record to every locus it overlaps; `file` is the number of its file.
    pub fn record(
        &mut self,
        file: usize,
        site: RecordAtLocus<'_>,
        cohort: &mut SharedState<'_>,
    ) -> Result<(), Error> {
        let record = site.record;
        let is_behind = |window: &Window| {
            let locus = window.locus();
            locus.end0 <= record.start0() || !same_contig(&locus.contig, &record.contig)
        };
        let ended: Vec<usize> = self
            .open
            .iter()
            .filter(|(_, window)| is_behind(window))
            .map(|(&number, _)| number)
            .collect();
        for number in ended {
            self.close(number, cohort)?;
        }
        for number in self.overlapping(record) {
            cohort.summary.n_records += 1;
            let (locus, masks) = &self.loci[number];
            if self.file_of_locus[number]
                .replace(file)
                .is_some_and(|other| other != file)
            {
                let name = &locus.name;
                return Err(Error::Inputs(format!(
                    "locus `{name}` has records in more than one file; merge them with `bcftools \
                     concat`"
                )));
            }
            if self.done[number].is_some() {
                let reason = format!(
                    "locus `{}` has been left before: the file names its contig in two ways; \
                     rename one with `bcftools annotate --rename-chrs`",
                    locus.name
                );
                return Err(site.refuse(None, reason));
            }
            if !self.open.contains_key(&number) {
                self.open.insert(
                    number,
                    Window::open(locus, masks, &mut self.reference, cohort)?,
                );
            }
            if let Some(window) = self.open.get_mut(&number) {
                window.record(site, cohort)?;
            }
        }
        Ok(())
    }

    fn overlapping(&self, record: &VariantRecord) -> Vec<usize> {
        let Some(OnContig { starts, longest_nt }) = self.on_contig.get(contig_key(&record.contig))
        else {
            return Vec::new();
        };
        let first = starts.partition_point(|(start0, _)| start0 + longest_nt <= record.start0());
        let here = starts[first..]
            .iter()
            .take_while(|(start0, _)| *start0 < record.span_end0());
        here.filter(|(_, number)| self.loci[*number].0.end0 > record.start0())
            .map(|&(_, number)| number)
            .collect()
    }

    fn close(&mut self, number: usize, cohort: &mut SharedState<'_>) -> Result<(), Error> {
        if let Some(window) = self.open.remove(&number) {
            self.done[number] = Some(window.finish(cohort)?);
        }
        Ok(())
    }

    /// Closes every locus; those without a record are refused, or are the reference in everyone.
    pub fn finish(
        mut self,
        options: &Options,
        files: &[VariantFile],
        empty_loci: EmptyLoci,
        contigs_with_records: &HashSet<String>,
        cohort: &mut SharedState<'_>,
    ) -> Result<Vec<LocusHaplotypes>, Error> {
        let open: Vec<usize> = self.open.keys().copied().collect();
        for number in open {
            self.close(number, cohort)?;
        }
        for number in 0..self.loci.len() {
            if self.file_of_locus[number].is_none() {
                let (locus, masks) = &self.loci[number];
                self.refuse_empty(locus, options, files, empty_loci, contigs_with_records)?;
                cohort.summary.loci_without_records.push(locus.name.clone());
                self.open.insert(
                    number,
                    Window::open(locus, masks, &mut self.reference, cohort)?,
                );
                self.close(number, cohort)?;
            }
        }
        Ok(self.done.into_iter().flatten().collect())
    }

    /// Whether a locus without a record may be read as the reference.
    fn refuse_empty(
        &self,
        locus: &Locus,
        options: &Options,
        files: &[VariantFile],
        empty_loci: EmptyLoci,
        contigs_with_records: &HashSet<String>,
    ) -> Result<(), Error> {
        let Locus { name, contig, .. } = locus;
        let names = files
            .iter()
            .map(|file| file.path().display().to_string())
            .collect::<Vec<_>>()
            .join(", ");
        let refuse = |reason: &str| Err(Error::Inputs(format!("{names}: {reason}")));
        if empty_loci == EmptyLoci::Refuse && self.file_of_locus.iter().all(Option::is_none) {
            return refuse(&format!(
                "no record overlaps any locus of {}: is the VCF empty, or are the contig names or \
                 the build others?",
                options.regions
            ));
        }
        if !files.iter().any(|file| file.may_have_contig(contig)) {
            return refuse(&format!(
                "no contig `{contig}` in the header, and locus `{name}` lies there; is it in \
                 another file?"
            ));
        }
        if !contigs_with_records
            .iter()
            .any(|other| same_contig(contig, other))
        {
            return refuse(&format!(
                "no record on contig `{contig}`, and locus `{name}` lies there; is it in another \
                 file?"
            ));
        }
        if empty_loci == EmptyLoci::Refuse {
            return refuse(&format!(
                "no record overlaps locus `{name}` ({}): is it another build? If nothing varies \
                 there, take it out of {}",
                locus.region(),
                options.regions
            ));
        }
        Ok(())
    }
}
