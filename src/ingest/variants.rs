//! Variant records of VCF, VCF.gz (BGZF) and BCF files, for all samples at once; only GT is parsed of the genotypes.
//!
//! Input -> output: a path and loci -> a stream of [`VariantRecord`]s that overlap them, in file order. A tabix or CSI index
//! beside the file is used to read only the loci; without one the file is streamed and must be sorted by position.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::{self, BufRead, BufReader, Cursor, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use flate2::read::MultiGzDecoder;
use noodles::{
    bcf, bgzf,
    core::{Position, region::Interval},
    csi::{self, BinningIndex, binning_index::index::reference_sequence::bin::Chunk},
    tabix,
    vcf::{
        self,
        header::{FileFormat, parser::FileFormatOption},
    },
};

use super::{
    Error,
    genotypes::{Genotype, parse_bcf, parse_text},
    reference::is_gzip,
    regions::Locus,
    same_contig,
};

/// One record with every sample's genotype. Buffers are reused from record to record.
#[derive(Clone, Debug, Default)]
pub struct VariantRecord {
    /// Contig as the file names it.
    pub contig: String,
    /// 1-based POS.
    pub position: usize,
    /// ID column (`.` when absent).
    pub id: String,
    /// REF, upper-case.
    pub ref_allele: Vec<u8>,
    /// ALT alleles, upper-case where they are bases; empty for `.`.
    pub alt_alleles: Vec<Vec<u8>>,
    /// 0-based end (exclusive) of what the record is about: the end of REF, or INFO/END where an ALT is symbolic.
    span_end0: usize,
    /// FILTER is `PASS` or `.`.
    pub passes_filters: bool,
    /// One per sample, in the order of [`VariantFile::samples`].
    pub genotypes: Vec<Genotype>,
}

impl VariantRecord {
    /// 0-based start of REF.
    #[must_use]
    pub fn start0(&self) -> usize {
        self.position - 1
    }

    /// 0-based end (exclusive) of REF.
    #[must_use]
    pub fn end0(&self) -> usize {
        self.start0() + self.ref_allele.len()
    }

    /// 0-based end (exclusive) of what the record is about: the end of REF, or INFO/END where an ALT is symbolic.
    #[must_use]
    pub fn span_end0(&self) -> usize {
        self.span_end0
    }

    fn has_symbolic_alt(&self) -> bool {
        self.alt_alleles.iter().any(|alt| alt.starts_with(b"<"))
    }
}

/// An opened VCF or BCF file: header read, records not yet.
pub struct VariantFile {
    path: PathBuf,
    samples: Vec<String>,
    contigs: Vec<(String, Option<usize>)>,
    warnings: Vec<String>,
    format: Format,
}

enum Format {
    Vcf,
    VcfGz { bgzf: bool },
    Bcf { header: Box<vcf::Header> },
}

impl std::fmt::Debug for VariantFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VariantFile").field("path", &self.path).field("n_samples", &self.samples.len()).finish_non_exhaustive()
    }
}

/// The end-of-file block that every complete BGZF file ends with (SAM specification, section 4.1.2).
const BGZF_EOF: [u8; 28] =
    [0x1f, 0x8b, 0x08, 0x04, 0, 0, 0, 0, 0, 0xff, 0x06, 0, 0x42, 0x43, 0x02, 0, 0x1b, 0, 0x03, 0, 0, 0, 0, 0, 0, 0, 0, 0];

impl VariantFile {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// An unreadable, empty or truncated file, a header that cannot be read, no samples, or a sample named twice.
    pub fn open(path: &Path) -> Result<Self, Error> {
        if path.metadata().map_err(Error::io(path))?.len() == 0 {
            return Err(Error::file(path, "the file is empty"));
        }
        let mut warnings = Vec::new();
        let (format, header) = if is_gzip(path)? {
            let bgzf = is_bgzf(path)?;
            if bgzf {
                require_bgzf_end(path)?;
            }
            let mut magic = [0; 3];
            read_up_to(&mut gz_reader(path, bgzf)?, &mut magic).map_err(Error::io(path))?;
            if &magic == b"BCF" {
                let mut reader = bcf::io::Reader::from(gz_reader(path, bgzf)?);
                let header = reader.read_header().map_err(|error| Error::file(path, format!("BCF header: {error}")))?;
                (Format::Bcf { header: Box::new(header.clone()) }, header)
            } else {
                (Format::VcfGz { bgzf }, read_vcf_header(&mut gz_reader(path, bgzf)?, path, &mut warnings)?)
            }
        } else {
            let mut reader = BufReader::new(File::open(path).map_err(Error::io(path))?);
            (Format::Vcf, read_vcf_header(&mut reader, path, &mut warnings)?)
        };
        let samples: Vec<String> = header.sample_names().iter().cloned().collect();
        if samples.is_empty() {
            return Err(Error::file(path, "no sample columns: genotypes are needed"));
        }
        let mut seen = HashSet::new();
        if let Some(twice) = samples.iter().find(|sample| !seen.insert(sample.as_str())) {
            return Err(Error::file(path, format!("sample `{twice}` has two columns")));
        }
        let contigs = header.contigs().iter().map(|(name, map)| (name.clone(), map.length())).collect();
        Ok(Self { path: path.into(), samples, contigs, warnings, format })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Sample names in column order.
    #[must_use]
    pub fn samples(&self) -> &[String] {
        &self.samples
    }

    /// The column (number into [`Self::samples`]) of each of `people`.
    ///
    /// # Errors
    /// People without a column: the first one's name, and how many there are.
    pub fn columns_of(&self, people: &[String]) -> Result<Vec<usize>, Error> {
        let column_of: HashMap<&str, usize> = self.samples.iter().enumerate().map(|(column, sample)| (sample.as_str(), column)).collect();
        let missing: Vec<&String> = people.iter().filter(|person| !column_of.contains_key(person.as_str())).collect();
        if let Some(first) = missing.first() {
            let reason = format!(
                "no sample `{first}`; {} of the {} people wanted are not in this file, which has {} samples, such as `{}`",
                missing.len(),
                people.len(),
                self.samples.len(),
                self.samples[0]
            );
            return Err(Error::file(&self.path, reason));
        }
        Ok(people.iter().map(|person| column_of[person.as_str()]).collect())
    }

    /// What was odd about the header but could be read.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Length of `contig` (or its alias) as the header states it.
    #[must_use]
    pub fn contig_len_nt(&self, contig: &str) -> Option<usize> {
        self.contigs.iter().find(|(name, _)| same_contig(contig, name)).and_then(|(_, len_nt)| *len_nt)
    }

    /// The header lists `contig` (or its alias), or lists none at all.
    #[must_use]
    pub fn may_have_contig(&self, contig: &str) -> bool {
        self.contigs.is_empty() || self.contigs.iter().any(|(name, _)| same_contig(contig, name))
    }

    /// Reads every record that overlaps one of `loci` (every record of the file when `None`), once, in file order. Returns the contigs
    /// on which the file has records.
    ///
    /// # Errors
    /// Read and decompression errors, malformed records, records out of order, and whatever `visit` returns.
    pub fn for_each<E: From<Error>>(
        &self,
        loci: Option<&[Locus]>,
        mut visit: impl FnMut(&VariantRecord) -> Result<(), E>,
    ) -> Result<HashSet<String>, E> {
        let wanted = loci.map(Wanted::new);
        match &self.format {
            Format::Vcf => {
                let reader = BufReader::with_capacity(1 << 20, File::open(&self.path).map_err(Error::io(&self.path))?);
                self.text_records(reader, wanted.as_ref(), &mut visit)
            }
            Format::VcfGz { bgzf: true } => {
                if let Some(Indexed { chunks, names }) = self.indexed_chunks(wanted.as_ref())? {
                    let mut reader = bgzf::io::Reader::new(File::open(&self.path).map_err(Error::io(&self.path))?);
                    self.text_records(csi::io::Query::new(&mut reader, chunks), wanted.as_ref(), &mut visit)?;
                    Ok(names)
                } else {
                    self.text_records(gz_reader(&self.path, true)?, wanted.as_ref(), &mut visit)
                }
            }
            Format::VcfGz { bgzf: false } => self.text_records(gz_reader(&self.path, false)?, wanted.as_ref(), &mut visit),
            Format::Bcf { header } => self.bcf_records(header, wanted.as_ref(), &mut visit),
        }
    }

    /// Where the wanted regions are, by the index beside the file; `None` without an index or without regions.
    fn indexed_chunks(&self, wanted: Option<&Wanted>) -> Result<Option<Indexed>, Error> {
        let Some(wanted) = wanted else { return Ok(None) };
        let Some(index) = read_index(&self.path)? else { return Ok(None) };
        let names: Vec<String> = match index.header() {
            Some(header) => header.reference_sequence_names().iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect(),
            // The index of a BCF has no names: contigs are numbered as in the header.
            None => self.contigs.iter().map(|(name, _)| name.clone()).collect(),
        };
        let mut chunks = Vec::new();
        for (contig, start0, end0) in &wanted.regions {
            let position = |value: usize| Position::try_from(value).map_err(|error| Error::file(&self.path, error.to_string()));
            for (id, _) in names.iter().enumerate().filter(|(_, name)| same_contig(contig, name)) {
                // One base more on the left: an insertion's anchor may stand just before the region.
                let interval = Interval::from(position((*start0).max(1))?..=position(*end0)?);
                chunks.extend(index.query(id, interval).map_err(Error::io(&self.path))?);
            }
        }
        chunks.sort_unstable_by_key(|chunk| (chunk.start(), chunk.end()));
        Ok(Some(Indexed { chunks: csi::binning_index::merge_chunks(&chunks), names: names.into_iter().collect() }))
    }

    fn text_records<R: BufRead, E: From<Error>>(
        &self,
        mut reader: R,
        wanted: Option<&Wanted>,
        visit: &mut impl FnMut(&VariantRecord) -> Result<(), E>,
    ) -> Result<HashSet<String>, E> {
        let mut line = Vec::new();
        let mut record = VariantRecord::default();
        let mut order = Order::default();
        loop {
            line.clear();
            if reader.read_until(b'\n', &mut line).map_err(|error| self.read_error(error))? == 0 {
                return Ok(order.seen);
            }
            let text = line.trim_ascii_end();
            if text.is_empty() || text.starts_with(b"#") {
                continue;
            }
            let Some(columns) = SiteColumns::split(text) else {
                return Err(Error::file(&self.path, format!("`{}`: a record needs at least 8 columns", excerpt(text))).into());
            };
            columns.site(&mut record).map_err(|reason| Error::file(&self.path, format!("`{}`: {reason}", excerpt(text))))?;
            order.check(&self.path, &record)?;
            if wanted.is_some_and(|wanted| !wanted.overlaps(&record)) {
                continue;
            }
            columns.genotypes(&mut record, &self.samples).map_err(|reason| self.record_error(&record, reason))?;
            visit(&record)?;
        }
    }

    fn bcf_records<E: From<Error>>(
        &self,
        header: &vcf::Header,
        wanted: Option<&Wanted>,
        visit: &mut impl FnMut(&VariantRecord) -> Result<(), E>,
    ) -> Result<HashSet<String>, E> {
        let mut reader = bgzf::io::Reader::new(File::open(&self.path).map_err(Error::io(&self.path))?);
        if let Some(Indexed { chunks, names }) = self.indexed_chunks(wanted)? {
            let source = bcf::io::Reader::from(csi::io::Query::new(&mut reader, chunks));
            self.bcf_records_of(source, header, wanted, visit)?;
            return Ok(names);
        }
        let mut source = bcf::io::Reader::from(reader);
        source.read_header().map_err(Error::io(&self.path))?;
        self.bcf_records_of(source, header, wanted, visit)
    }

    fn bcf_records_of<R: Read, E: From<Error>>(
        &self,
        mut source: bcf::io::Reader<R>,
        header: &vcf::Header,
        wanted: Option<&Wanted>,
        visit: &mut impl FnMut(&VariantRecord) -> Result<(), E>,
    ) -> Result<HashSet<String>, E> {
        let gt_key = header.string_maps().strings().get_index_of("GT");
        let mut raw = bcf::Record::default();
        let mut record = VariantRecord::default();
        let mut order = Order::default();
        while source.read_record(&mut raw).map_err(|error| self.read_error(error))? != 0 {
            bcf_site(&raw, header, &mut record).map_err(|error| self.read_error(error))?;
            order.check(&self.path, &record)?;
            if wanted.is_some_and(|wanted| !wanted.overlaps(&record)) {
                continue;
            }
            let samples = raw.samples().map_err(Error::io(&self.path))?;
            bcf_genotypes(samples.as_ref(), gt_key, &self.samples, &mut record).map_err(|reason| self.record_error(&record, reason))?;
            visit(&record)?;
        }
        Ok(order.seen)
    }

    fn record_error(&self, record: &VariantRecord, reason: String) -> Error {
        Error::Record { path: self.path.clone(), contig: record.contig.clone(), position: record.position, reason }
    }

    fn read_error(&self, error: io::Error) -> Error {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return Error::file(&self.path, "the file ends in the middle of a block: it is truncated; copy it again");
        }
        Error::Io { path: self.path.clone(), source: error }
    }
}

/// What an index says: the parts of the file that hold some regions, and the contigs that have records.
struct Indexed {
    chunks: Vec<Chunk>,
    names: HashSet<String>,
}

/// Loci merged to disjoint regions per contig.
struct Wanted {
    regions: Vec<(String, usize, usize)>,
}

impl Wanted {
    fn new(loci: &[Locus]) -> Self {
        let mut regions: Vec<(String, usize, usize)> = loci.iter().map(|locus| (locus.contig.clone(), locus.start0, locus.end0)).collect();
        regions.sort();
        regions.dedup_by(|next, kept| {
            let joins = next.0 == kept.0 && next.1 <= kept.2;
            if joins {
                kept.2 = kept.2.max(next.2);
            }
            joins
        });
        Self { regions }
    }

    /// A record at the last base may insert after it; one whose REF ends before the first base touches nothing inside.
    fn overlaps(&self, record: &VariantRecord) -> bool {
        self.regions
            .iter()
            .any(|(contig, start0, end0)| record.start0() < *end0 && record.span_end0() > *start0 && same_contig(contig, &record.contig))
    }
}

/// Holds a stream to the order that haplotypes need.
#[derive(Default)]
struct Order {
    contig: String,
    position: usize,
    /// Contigs met so far.
    seen: HashSet<String>,
}

impl Order {
    fn check(&mut self, path: &Path, record: &VariantRecord) -> Result<(), Error> {
        if record.contig != self.contig {
            if !self.seen.insert(record.contig.clone()) {
                return Err(self.not_sorted(path, record));
            }
            self.contig.clone_from(&record.contig);
        } else if record.position < self.position {
            return Err(self.not_sorted(path, record));
        }
        self.position = record.position;
        Ok(())
    }

    fn not_sorted(&self, path: &Path, record: &VariantRecord) -> Error {
        let reason = format!("comes after {}:{}: the file is not sorted; run `bcftools sort`", self.contig, self.position);
        Error::Record { path: path.into(), contig: record.contig.clone(), position: record.position, reason }
    }
}

/// The columns of one VCF line.
struct SiteColumns<'l> {
    columns: [&'l [u8]; 8],
    samples: &'l [u8],
}

impl<'l> SiteColumns<'l> {
    fn split(line: &'l [u8]) -> Option<Self> {
        let mut rest = Some(line);
        let mut columns: [&[u8]; 8] = [&[]; 8];
        for column in &mut columns {
            (*column, rest) = next_column(rest?);
        }
        Some(Self { columns, samples: rest.unwrap_or_default() })
    }

    fn site(&self, record: &mut VariantRecord) -> Result<(), String> {
        let [contig, position, id, ref_allele, alt_alleles, _, filter, info] = self.columns;
        record.contig.clear();
        record.contig.push_str(std::str::from_utf8(contig).map_err(|_| "CHROM is not UTF-8")?);
        record.position = std::str::from_utf8(position)
            .ok()
            .and_then(|text| text.parse().ok())
            .filter(|&position| position >= 1)
            .ok_or_else(|| format!("POS `{}` is not a position", String::from_utf8_lossy(position)))?;
        record.id.clear();
        record.id.push_str(&String::from_utf8_lossy(id));
        set_bases(&mut record.ref_allele, ref_allele);
        if record.ref_allele.is_empty() || !record.ref_allele.iter().all(u8::is_ascii_alphabetic) {
            return Err(format!("REF `{}` is not bases", String::from_utf8_lossy(ref_allele)));
        }
        set_alt_alleles(
            record,
            if alt_alleles == b"." { None } else { Some(alt_alleles) }.into_iter().flat_map(|all| all.split(|&b| b == b',')),
        );
        record.passes_filters = filter == b"PASS" || filter == b".";
        record.span_end0 = record.end0();
        if record.has_symbolic_alt() {
            let end = info.split(|&byte| byte == b';').find_map(|field| field.strip_prefix(b"END="));
            let end = end.and_then(|end| std::str::from_utf8(end).ok()).and_then(|end| end.parse().ok());
            record.span_end0 = record.span_end0.max(end.unwrap_or(0));
        }
        Ok(())
    }

    fn genotypes(&self, record: &mut VariantRecord, names: &[String]) -> Result<(), String> {
        let (format, samples) = next_column(self.samples);
        let gt_index = format.split(|&byte| byte == b':').position(|key| key == b"GT").ok_or("FORMAT has no GT")?;
        let max_allele = record.alt_alleles.len() as i16;
        record.genotypes.clear();
        record.genotypes.reserve(names.len());
        let mut rest = samples;
        while let Some(sample) = rest {
            let (value, next) = next_column(sample);
            let gt = value.split(|&byte| byte == b':').nth(gt_index).unwrap_or(b".");
            let genotype = parse_text(gt, max_allele).map_err(|reason| of_sample(names, record.genotypes.len(), &reason))?;
            record.genotypes.push(genotype);
            rest = next;
        }
        if record.genotypes.len() != names.len() {
            return Err(format!("{} genotypes for {} samples", record.genotypes.len(), names.len()));
        }
        Ok(())
    }
}

fn of_sample(names: &[String], index: usize, reason: &str) -> String {
    names.get(index).map_or_else(|| format!("past the last sample: {reason}"), |name| format!("sample `{name}`: {reason}"))
}

fn next_column(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    match text.iter().position(|&byte| byte == b'\t') {
        Some(tab) => (&text[..tab], Some(&text[tab + 1..])),
        None => (text, None),
    }
}

fn set_bases(target: &mut Vec<u8>, bases: &[u8]) {
    target.clear();
    target.extend(bases.iter().map(u8::to_ascii_uppercase));
}

fn set_alt_alleles<'a>(record: &mut VariantRecord, alleles: impl Iterator<Item = &'a [u8]>) {
    let mut count = 0;
    for allele in alleles {
        if count == record.alt_alleles.len() {
            record.alt_alleles.push(Vec::new());
        }
        let target = &mut record.alt_alleles[count];
        if allele.iter().all(u8::is_ascii_alphabetic) {
            set_bases(target, allele);
        } else {
            target.clear();
            target.extend_from_slice(allele);
        }
        count += 1;
    }
    record.alt_alleles.truncate(count);
}

fn bcf_site(raw: &bcf::Record, header: &vcf::Header, record: &mut VariantRecord) -> io::Result<()> {
    let invalid = |reason: &'static str| io::Error::new(io::ErrorKind::InvalidData, reason);
    record.contig.clear();
    record.contig.push_str(raw.reference_sequence_name(header.string_maps())?);
    record.position = raw.variant_start().transpose()?.map(usize::from).ok_or_else(|| invalid("a record has no position"))?;
    let ids = raw.ids();
    let id: &[u8] = ids.as_ref();
    record.id = if id.is_empty() { ".".into() } else { String::from_utf8_lossy(id).into_owned() };
    set_bases(&mut record.ref_allele, raw.reference_bases().as_ref());
    let alternates = raw.alternate_bases();
    let alleles =
        vcf::variant::record::AlternateBases::iter(&alternates).map(|allele| allele.map(str::to_string)).collect::<io::Result<Vec<_>>>()?;
    set_alt_alleles(record, alleles.iter().map(String::as_bytes).filter(|allele| *allele != b"."));
    let filters = raw.filters();
    let filters = vcf::variant::record::Filters::iter(&filters, header).collect::<io::Result<Vec<_>>>()?;
    record.passes_filters = filters.iter().all(|&filter| filter == "PASS");
    record.span_end0 = record.end0();
    if record.has_symbolic_alt() {
        record.span_end0 = record.span_end0.max(raw.end()?.get());
    }
    Ok(())
}

/// Finds the GT field among a BCF record's FORMAT bytes (VCF 4.3 specification, section 6.3.3) and reads it.
fn bcf_genotypes(mut bytes: &[u8], gt_key: Option<usize>, names: &[String], record: &mut VariantRecord) -> Result<(), String> {
    const ENDS_EARLY: &str = "FORMAT bytes end early";
    let n_samples = names.len();
    record.genotypes.clear();
    let max_allele = record.alt_alleles.len() as i16;
    while !bytes.is_empty() {
        let key = read_typed_integer(&mut bytes).ok_or(ENDS_EARLY)?;
        let (kind, count) = read_type(&mut bytes).ok_or(ENDS_EARLY)?;
        let width = match kind {
            1 | 7 => 1,
            2 => 2,
            3 | 5 => 4,
            _ => return Err(format!("BCF type {kind} is unknown")),
        };
        let stride = width * count;
        let len = stride.checked_mul(n_samples).ok_or(ENDS_EARLY)?;
        let (values, rest) = bytes.split_at_checked(len).ok_or(ENDS_EARLY)?;
        bytes = rest;
        if Some(key as usize) != gt_key {
            continue;
        }
        for (index, sample) in values.chunks_exact(stride.max(1)).take(n_samples).enumerate() {
            let genotype = match width {
                1 => parse_bcf(sample.iter().map(|&byte| i32::from(byte as i8)), -127, max_allele),
                2 => parse_bcf(sample.chunks_exact(2).map(|b| i32::from(i16::from_le_bytes([b[0], b[1]]))), -32767, max_allele),
                _ => parse_bcf(sample.chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]])), i32::MIN + 1, max_allele),
            };
            record.genotypes.push(genotype.map_err(|reason| of_sample(names, index, &reason))?);
        }
    }
    if record.genotypes.len() != n_samples {
        return Err(format!("GT holds {} genotypes for {n_samples} samples", record.genotypes.len()));
    }
    Ok(())
}

fn read_type(bytes: &mut &[u8]) -> Option<(u8, usize)> {
    let (&descriptor, rest) = bytes.split_first()?;
    *bytes = rest;
    let count = match descriptor >> 4 {
        15 => usize::try_from(read_typed_integer(bytes)?).ok()?,
        count => usize::from(count),
    };
    Some((descriptor & 0x0f, count))
}

fn read_typed_integer(bytes: &mut &[u8]) -> Option<i32> {
    let (&descriptor, rest) = bytes.split_first()?;
    let width = match descriptor {
        0x11 => 1,
        0x12 => 2,
        0x13 => 4,
        _ => return None,
    };
    let (value, rest) = rest.split_at_checked(width)?;
    *bytes = rest;
    Some(match value {
        [a] => i32::from(*a as i8),
        [a, b] => i32::from(i16::from_le_bytes([*a, *b])),
        [a, b, c, d] => i32::from_le_bytes([*a, *b, *c, *d]),
        _ => return None,
    })
}

/// Reads and parses a VCF header. Where noodles refuses a reserved key's Number or Type, the header is read again by the rules
/// of VCF 4.2, as bcftools reads it, with a warning.
fn read_vcf_header<R: BufRead>(reader: &mut R, path: &Path, warnings: &mut Vec<String>) -> Result<vcf::Header, Error> {
    let mut text = String::new();
    vcf::io::Reader::new(reader)
        .header_reader()
        .read_to_string(&mut text)
        .map_err(|error| Error::file(path, format!("the header cannot be read ({error}); is this a VCF or BCF file?")))?;
    if !text.lines().any(|line| line.starts_with("#CHROM")) {
        return Err(Error::file(path, "no `#CHROM` line: this is not a VCF file, or it is empty"));
    }
    let strict = vcf::header::Parser::default().parse(&text);
    let refusal = match strict {
        Ok(header) => return Ok(header),
        Err(refusal) => refusal,
    };
    let lenient = vcf::header::Parser::builder().set_file_format_option(FileFormatOption::FileFormat(FileFormat::new(4, 2))).build();
    let header = lenient.parse(&text).map_err(|error| Error::file(path, format!("header: {error}")))?;
    warnings.push(format!("{}: header read by the rules of VCF 4.2, because: {refusal}", path.display()));
    Ok(header)
}

fn read_index(path: &Path) -> Result<Option<Box<dyn BinningIndex>>, Error> {
    let beside = |extension: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(extension);
        PathBuf::from(name)
    };
    let (tbi, csi_path) = (beside(".tbi"), beside(".csi"));
    if tbi.exists() {
        return Ok(Some(Box::new(tabix::fs::read(&tbi).map_err(Error::io(&tbi))?)));
    }
    if csi_path.exists() {
        return Ok(Some(Box::new(csi::fs::read(&csi_path).map_err(Error::io(&csi_path))?)));
    }
    Ok(None)
}

fn gz_reader(path: &Path, bgzf: bool) -> Result<Box<dyn BufRead>, Error> {
    let file = File::open(path).map_err(Error::io(path))?;
    Ok(if bgzf {
        Box::new(bgzf::io::Reader::new(file))
    } else {
        Box::new(BufReader::with_capacity(1 << 17, MultiGzDecoder::new(BufReader::new(file))))
    })
}

fn is_bgzf(path: &Path) -> Result<bool, Error> {
    let mut start = [0; 18];
    let n = read_up_to(&mut File::open(path).map_err(Error::io(path))?, &mut start).map_err(Error::io(path))?;
    Ok(n == 18 && start[3] & 4 != 0 && &start[12..14] == b"BC")
}

/// A BGZF file cut at a block boundary reads without an error, so its end is looked at first.
fn require_bgzf_end(path: &Path) -> Result<(), Error> {
    let mut file = File::open(path).map_err(Error::io(path))?;
    let mut end = [0; 28];
    let found = file.seek(SeekFrom::End(-28)).and_then(|_| file.read_exact(&mut end)).is_ok() && end == BGZF_EOF;
    if !found {
        return Err(Error::file(path, "no BGZF end-of-file block: the file is truncated; copy it again, or check it with `bgzip -t`"));
    }
    Ok(())
}

fn read_up_to(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let len = buffer.len() as u64;
    let n = io::copy(&mut reader.take(len), &mut Cursor::new(buffer))?;
    Ok(n as usize)
}

fn excerpt(line: &[u8]) -> String {
    String::from_utf8_lossy(&line[..line.len().min(60)]).replace('\t', " ")
}
