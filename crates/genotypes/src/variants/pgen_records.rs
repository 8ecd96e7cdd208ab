//! Records of PGEN and BED files.
//!
//! PGEN has no phase sets and no ploidy: a haploid call of allele 1 is stored as `1/1`. On Y and MT
//! two equal alleles are therefore read as one. Calls of X keep both, because only the sex of a
//! sample tells how many it has.

use super::{
    columns::Selection,
    gt,
    header::Header,
    imputed_dosages::DosageField,
    record::{AlleleProblem, RecordLocation, VariantRecord},
    region_cursor::RegionCursor,
    text,
};
use crate::{
    ABSENT, Error, Genotype, Position1, chromosome_key,
    genotypes::REFERENCE,
    pgen::{PgenFile, PgenRecord, PgenVariant},
};
use gf_cohort_schema::counted;

/// Samples and contigs of a file, in the form of a VCF header.
///
/// # Errors
/// A PVAR file that states two lengths of one contig.
pub(super) fn header(file: &PgenFile) -> Result<Header, Error> {
    let mut header = Header {
        samples: file.samples().ids().to_vec(),
        warnings: provisional_ref_warning(file).into_iter().collect(),
        ..Header::default()
    };
    for line in file.variants().contig_lines() {
        header
            .add_meta_line(line)
            .map_err(|reason| Error::file(file.path(), reason))?;
    }
    header.add_contigs(file.variants().contigs().iter().map(String::as_str));
    Ok(header)
}

fn provisional_ref_warning(file: &PgenFile) -> Option<String> {
    let n_variants = file.variants().len();
    let n_provisional = file.variants().n_with_provisional_ref();
    (n_provisional > 0).then(|| {
        format!(
            "{}: {n_provisional} of {} have a provisional REF allele, which may be the ALT allele \
             of the genome; --reference checks them against the FASTA",
            file.path().display(),
            counted(n_variants, "variant", "variants")
        )
    })
}

/// Passes every record that `cursor` wants to `visit`.
pub(super) fn for_each<E: From<Error>>(
    file: &mut PgenFile,
    selection: Selection<'_>,
    cursor: &mut RegionCursor<'_>,
    visit: &mut impl FnMut(&VariantRecord) -> Result<(), E>,
) -> Result<(), E> {
    if let Some(columns) = selection.columns.column_of_sample() {
        file.select(columns).map_err(Error::from)?;
    }
    let mut stored = PgenRecord::new();
    let mut record = VariantRecord::default();
    let mut ploidy = ContigPloidy::default();
    for index in 0..file.variants().len() {
        if !reach(file, index, cursor, &mut record)? {
            continue;
        }
        file.read(index, &mut stored).map_err(Error::from)?;
        set_genotypes(&stored, selection, &mut record);
        set_dosages(&stored, selection.dosage_field, &mut record);
        if ploidy.is_haploid(&record.contig) {
            read_as_haploid(&mut record);
        }
        visit(&record)?;
    }
    Ok(())
}

/// Sets everything but the genotypes of a record; `false` when it is not wanted.
fn reach(
    file: &PgenFile,
    index: usize,
    cursor: &mut RegionCursor<'_>,
    record: &mut VariantRecord,
) -> Result<bool, Error> {
    let Some(variant) = file.variants().get(index) else {
        return Ok(false);
    };
    variant.contig.clone_into(&mut record.contig);
    record.place = RecordLocation::Record(index as u64 + 1);
    let Some(position) = Position1::new(variant.position as usize) else {
        cursor.passed_over.n_at_zero += 1;
        return Ok(false);
    };
    record.position = position;
    if !cursor.reach(record)? {
        return Ok(false);
    }
    if let Err(problem) = set_site(&variant, record) {
        cursor.refuse_if_wanted(record, variant.reference.len(), problem)?;
        return Ok(false);
    }
    Ok(cursor.wants(record))
}

fn set_site(variant: &PgenVariant<'_>, record: &mut VariantRecord) -> Result<(), AlleleProblem> {
    variant.id.clone_into(&mut record.id);
    record.set_ref_allele(variant.reference.as_bytes())?;
    let alts = variant.alts().filter(|&alt| alt != ".");
    record.set_alt_alleles(alts.map(str::as_bytes))?;
    record.set_filters(variant.filter.unwrap_or(".").split(';'));
    record.set_span(|| text::symbolic_lengths(variant.symbolic_info.as_bytes()));
    Ok(())
}

fn set_genotypes(stored: &PgenRecord, selection: Selection<'_>, record: &mut VariantRecord) {
    record.has_genotypes = true;
    record.phase_sets.clear();
    if let Some(carriers) = stored.carriers() {
        gt::start(record, selection.columns, REFERENCE);
        for &sample in carriers {
            gt::set(
                record,
                sample as usize,
                stored.genotype(sample as usize),
                REFERENCE,
            );
        }
        return;
    }
    let calls = stored.alleles().iter().zip(stored.phased());
    gt::set_all(
        record,
        calls.map(|(&alleles, &phased)| Genotype { alleles, phased }),
    );
}

/// Dosages are stored for variants with one ALT allele only.
fn set_dosages(stored: &PgenRecord, field: DosageField, record: &mut VariantRecord) {
    record.dosages.clear();
    if field != DosageField::Gt
        && let Some(dosages) = stored.dosages()
    {
        record.dosages.extend_from_slice(dosages);
    }
}

/// Whether calls on the current contig have one allele.
#[derive(Default)]
struct ContigPloidy {
    contig: String,
    is_haploid: bool,
}

impl ContigPloidy {
    /// The answer is looked up once per contig.
    fn is_haploid(&mut self, contig: &str) -> bool {
        if self.contig != contig {
            contig.clone_into(&mut self.contig);
            self.is_haploid =
                chromosome_key(contig).is_some_and(|key| HAPLOID_CHROMOSOMES.contains(&key));
        }
        self.is_haploid
    }
}

const HAPLOID_CHROMOSOMES: [&str; 2] = ["Y", "MT"];

/// Reads two equal alleles as one, and halves the dosage. Two different alleles, as in
/// heteroplasmy, stay.
fn read_as_haploid(record: &mut VariantRecord) {
    let n_alts = record.alt_alleles.len();
    let mut genotypes = std::mem::take(&mut record.genotypes);
    for (sample, genotype) in genotypes.iter_mut().enumerate() {
        let [first, second] = genotype.alleles;
        if first != second {
            continue;
        }
        genotype.alleles = [first, ABSENT];
        let dosages = record.dosages.chunks_exact_mut(n_alts.max(1)).nth(sample);
        for dosage in dosages.into_iter().flatten() {
            *dosage /= 2.0;
        }
    }
    gt::set_all(record, genotypes.into_iter());
}
