//! The rules by which a VCF and a FASTA become haplotypes, one row each, with the expected bases
//! written out.
//!
//! The reference tool is `bcftools consensus -s S1 -H 1|2`; a second test runs it on the same
//! records. The expected bases were written by hand and checked against bcftools 1.16 (Debian) and
//! 1.24 (the `pysam` 0.24.1 wheel), never taken from this program. Where the rows say
//! `unlike_bcftools`, they say why. POS is 1-based.

use std::{collections::BTreeMap, fs, path::Path};

use crate::support::{bcftools, bcftools_version, fasta, rows, run, stderr};
use tempfile::TempDir;

/// The reference of every row that names no other: 30 nt, `A` at 1, 5, 9, ... 29.
const REF: &str = "ACGTACGTACGTACGTACGTACGTACGTAC";
/// In place of bases: the person has no such haplotype.
const ABSENT: &str = "absent";

/// What bcftools does with a row.
enum Bcftools {
    Unsaid,
    /// The same bases, from this version on.
    Same((u32, u32)),
    /// Something else, on purpose.
    Differs(&'static str),
}

struct Case {
    name: &'static str,
    /// `[CONTIG:]POS REF ALT [FILTER] [INFO] GT[:PS]`; INFO has commas for its semicolons.
    records: Vec<&'static str>,
    options: &'static str,
    reference: &'static str,
    region: &'static str,
    /// Bases of both haplotypes, or parts of the error message.
    expected: Result<[&'static str; 2], &'static [&'static str]>,
    /// `reason count`; where the rules leave two reasons open, `reason|reason count`.
    skips: Vec<&'static str>,
    bcftools: Bcftools,
}

/// A row of the table; records are separated by ` + `.
fn row(name: &'static str, records: &'static str) -> Case {
    Case {
        name,
        records: records.split(" + ").collect(),
        options: "",
        reference: REF,
        region: if records.starts_with("X:") {
            "X:1-30"
        } else {
            "chr1:1-30"
        },
        expected: Err(&[]),
        skips: Vec::new(),
        bcftools: Bcftools::Unsaid,
    }
}

impl Case {
    fn with(mut self, options: &'static str) -> Self {
        self.options = options;
        self
    }

    fn on(mut self, reference: &'static str) -> Self {
        self.reference = reference;
        self
    }

    fn at(mut self, region: &'static str) -> Self {
        self.region = region;
        self
    }

    fn gives(mut self, first: &'static str, second: &'static str) -> Self {
        self.expected = Ok([first, second]);
        self
    }

    fn refused(mut self, message: &'static [&'static str]) -> Self {
        self.expected = Err(message);
        self
    }

    fn skips(mut self, reasons: &'static str) -> Self {
        self.skips = reasons.split(", ").collect();
        self
    }

    fn like_bcftools(self) -> Self {
        self.like_bcftools_since((1, 16))
    }

    fn like_bcftools_since(mut self, version: (u32, u32)) -> Self {
        self.bcftools = Bcftools::Same(version);
        self
    }

    fn unlike_bcftools(mut self, why: &'static str) -> Self {
        self.bcftools = Bcftools::Differs(why);
        self
    }

    /// Contig, 0-based start and end of the region.
    fn locus(&self) -> (String, usize, usize) {
        let (contig, range) = gf_genotypes::parse_region(self.region).unwrap();
        (contig, range.start.get(), range.end.get())
    }

    /// Writes `cohort.vcf`, `reference.fa`, `loci.bed`, `mask.bed` (5-6) and `callable.bed` (1-8).
    fn write(&self, folder: &Path) {
        let (contig, start0, end0) = self.locus();
        fs::write(
            folder.join("reference.fa"),
            format!(">{contig}\n{}\n", self.reference),
        )
        .unwrap();
        fs::write(
            folder.join("loci.bed"),
            format!("{contig}\t{start0}\t{end0}\tLOCUS\n"),
        )
        .unwrap();
        fs::write(folder.join("mask.bed"), format!("{contig}\t4\t6\n")).unwrap();
        fs::write(folder.join("callable.bed"), format!("{contig}\t0\t8\n")).unwrap();
        fs::write(folder.join("cohort.vcf"), vcf(&self.records)).unwrap();
    }

    /// Sequences and skips of `cohort.vcf`, or of that file in another format, in a folder that
    /// [`Case::write`] filled.
    fn run(
        &self,
        folder: &Path,
        vcf: &str,
    ) -> Result<([String; 2], BTreeMap<String, usize>), String> {
        let arguments = format!(
            "sequences --vcf {vcf} --reference reference.fa --regions-file loci.bed -o out.fa \
             --skips skips.csv {}",
            self.options
        );
        let output = run(folder, &arguments);
        let text = stderr(&output);
        if !output.status.success() {
            let message = text
                .lines()
                .find_map(|line| line.strip_prefix("error: "))
                .unwrap_or(&text);
            return Err(if output.status.code() == Some(1) {
                message.to_owned()
            } else {
                format!("{}, {message}", output.status)
            });
        }
        let written = fasta(&fs::read_to_string(folder.join("out.fa")).unwrap());
        let bases = ["S1 LOCUS 1", "S1 LOCUS 2"]
            .map(|name| written.get(name).map_or(ABSENT, String::as_str).to_owned());
        let mut skips = BTreeMap::new();
        for row in rows(&folder.join("skips.csv")) {
            *skips.entry(row["reason"].clone()).or_default() += 1;
        }
        for (reason, count) in &skips {
            assert!(
                text.lines()
                    .any(|line| line == format!("{reason}: {count}")),
                "{}: no total of {reason} on stderr: {text}",
                self.name
            );
        }
        Ok((bases, skips))
    }

    /// Compares a run with what the row expects; what is wrong.
    fn check(
        &self,
        found: Result<([String; 2], BTreeMap<String, usize>), String>,
    ) -> Result<(), String> {
        match (&self.expected, found) {
            (Ok(expected), Ok((bases, skips))) => {
                if bases != *expected {
                    return Err(format!("gave {bases:?}, expected {expected:?}"));
                }
                let same = skips.len() == self.skips.len()
                    && self.skips.iter().all(|expected| {
                        let (reasons, count) = expected.split_once(' ').unwrap();
                        let count: usize = count.parse().unwrap();
                        reasons
                            .split('|')
                            .any(|reason| skips.get(reason) == Some(&count))
                    });
                if same {
                    Ok(())
                } else {
                    Err(format!("skipped {skips:?}, expected {:?}", self.skips))
                }
            }
            (Err(parts), Err(message)) => match parts.iter().find(|part| !message.contains(**part))
            {
                Some(part) => Err(format!("refused without naming `{part}`: {message}")),
                None => Ok(()),
            },
            (Ok(expected), Err(message)) => {
                Err(format!("refused ({message}), expected {expected:?}"))
            }
            (Err(parts), Ok((bases, skips))) => Err(format!(
                "gave {bases:?} ({skips:?}), expected an error with {parts:?}"
            )),
        }
    }
}

/// A VCF of the person `S1`.
fn vcf(records: &[&str]) -> String {
    let mut lines = vec!["##fileformat=VCFv4.2".to_owned()];
    lines.extend(["chr1", "X"].map(|contig| format!("##contig=<ID={contig},length=30>")));
    lines.extend(
        ["LowQ", "q10"].map(|filter| format!("##FILTER=<ID={filter},Description=\"{filter}\">")),
    );
    lines.extend(
        [
            ("END", "1", "Integer"),
            ("SVLEN", ".", "Integer"),
            ("SVTYPE", "1", "String"),
        ]
        .map(|(id, number, kind)| {
            format!("##INFO=<ID={id},Number={number},Type={kind},Description=\"{id}\">")
        }),
    );
    lines.extend(
        [("GT", "String"), ("PS", "Integer")].map(|(id, kind)| {
            format!("##FORMAT=<ID={id},Number=1,Type={kind},Description=\"{id}\">")
        }),
    );
    lines.push("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1".to_owned());
    for record in records {
        let cells: Vec<&str> = record.split(' ').collect();
        let [place, ref_allele, alt_alleles, middle @ .., genotype] = &cells[..] else {
            panic!("{record}")
        };
        let (contig, position) = place.split_once(':').unwrap_or(("chr1", place));
        let info = middle
            .iter()
            .find(|cell| cell.contains('='))
            .map_or_else(|| ".".to_owned(), |info| info.replace(',', ";"));
        let filter = middle
            .iter()
            .find(|cell| !cell.contains('='))
            .unwrap_or(&"PASS");
        let format = if genotype.contains(':') {
            "GT:PS"
        } else {
            "GT"
        };
        lines.push(format!(
            "{contig}\t{position}\t.\t{ref_allele}\t{alt_alleles}\t.\t{filter}\t{info}\t{format}\
             \t{genotype}"
        ));
    }
    lines.join("\n") + "\n"
}

/// The table, in parts that follow one subject each.
fn cases() -> Vec<Case> {
    [
        genotypes(),
        ploidy(),
        multi_allelic(),
        overlaps(),
        file_order(),
        shapes(),
        stars_and_odd_alleles(),
        references(),
        filters(),
    ]
    .into_iter()
    .chain([
        symbolic(),
        masks(),
        phase_sets(),
        region_edges(),
        policies_together(),
    ])
    .flatten()
    .collect()
}

/// Phase, and what is missing.
fn genotypes() -> Vec<Case> {
    vec![
        row("SNP, phased", "5 A G 0|1")
            .gives(REF, "ACGTGCGTACGTACGTACGTACGTACGTAC")
            .like_bcftools(),
        row("SNP, unphased", "5 A G 0/1")
            .refused(&["chr1:5: sample `S1`: ", "unphased", "--unphased"])
            .unlike_bcftools(
                "it takes the order of GT for phase without a word; the haplotypes would be \
                 invented",
            ),
        row("SNP, unphased, by the order of GT", "5 A G 0/1")
            .with("--unphased gt-order")
            .gives(REF, "ACGTGCGTACGTACGTACGTACGTACGTAC")
            .skips("unphased_gt_order 1")
            .like_bcftools(),
        row("SNP, unphased, as IUPAC", "5 A G 0/1")
            .with("--unphased iupac")
            .gives(
                "ACGTRCGTACGTACGTACGTACGTACGTAC",
                "ACGTRCGTACGTACGTACGTACGTACGTAC",
            )
            .skips("unphased_as_iupac 1")
            .like_bcftools(),
        row("two ALTs, unphased, as IUPAC", "5 A G,T 1/2")
            .with("--unphased iupac")
            .gives(
                "ACGTKCGTACGTACGTACGTACGTACGTAC",
                "ACGTKCGTACGTACGTACGTACGTACGTAC",
            )
            .skips("unphased_as_iupac 1")
            .like_bcftools(),
        row("MNP, unphased, as IUPAC", "5 AC GT 0/1")
            .with("--unphased iupac")
            .gives(
                "ACGTRYGTACGTACGTACGTACGTACGTAC",
                "ACGTRYGTACGTACGTACGTACGTACGTAC",
            )
            .skips("unphased_as_iupac 1")
            .like_bcftools(),
        row("SNP, unphased, as the reference", "5 A G 0/1 + 9 A G 0|1")
            .with("--unphased ref")
            .gives(REF, "ACGTACGTGCGTACGTACGTACGTACGTAC")
            .skips("unphased_as_ref 1")
            .unlike_bcftools("it has no such choice for one haplotype"),
        row(
            "phased calls under the policies for unphased ones",
            "5 A G 0|1",
        )
        .with("--unphased iupac")
        .gives(REF, "ACGTGCGTACGTACGTACGTACGTACGTAC")
        .like_bcftools(),
        row("homozygote, unphased", "5 A G 1/1")
            .gives(
                "ACGTGCGTACGTACGTACGTACGTACGTAC",
                "ACGTGCGTACGTACGTACGTACGTACGTAC",
            )
            .like_bcftools(),
        row("homozygous reference, unphased", "5 A G 0/0")
            .gives(REF, REF)
            .like_bcftools(),
        row("missing", "5 A G ./.")
            .gives(REF, REF)
            .skips("missing_as_ref 2")
            .like_bcftools(),
        row("missing, as N", "5 A G ./.")
            .with("--missing N")
            .gives(
                "ACGTNCGTACGTACGTACGTACGTACGTAC",
                "ACGTNCGTACGTACGTACGTACGTACGTAC",
            )
            .skips("missing_as_n 2")
            .like_bcftools(),
        row("missing, refused", "5 A G .|.")
            .with("--missing error")
            .refused(&["chr1:5: sample `S1`: ", "missing", "--missing"])
            .unlike_bcftools("it cannot refuse"),
        row("missing, long REF, as N", "5 ACG A .|.")
            .with("--missing N")
            .gives(
                "ACGTNNNTACGTACGTACGTACGTACGTAC",
                "ACGTNNNTACGTACGTACGTACGTACGTAC",
            )
            .skips("missing_as_n 2")
            .unlike_bcftools(
                "it writes one N at POS: the deleted bases, of which nothing is known either, \
                 keep the reference",
            ),
        row("half call", "5 A G .|1")
            .gives(REF, "ACGTGCGTACGTACGTACGTACGTACGTAC")
            .skips("missing_as_ref 1")
            .like_bcftools(),
        row("half call, as N", "5 A G .|1")
            .with("--missing N")
            .gives(
                "ACGTNCGTACGTACGTACGTACGTACGTAC",
                "ACGTGCGTACGTACGTACGTACGTACGTAC",
            )
            .skips("missing_as_n 1")
            .like_bcftools(),
        row("half call of the reference, as N", "5 A G 0|.")
            .with("--missing N")
            .gives(REF, "ACGTNCGTACGTACGTACGTACGTACGTAC")
            .skips("missing_as_n 1")
            .like_bcftools(),
        row("half call, refused", "5 A G .|1")
            .with("--missing error")
            .refused(&["chr1:5: sample `S1`: ", "missing"])
            .unlike_bcftools("it cannot refuse"),
        row("half call, unphased", "5 A G ./1")
            .refused(&["chr1:5: sample `S1`: ", "unphased"])
            .unlike_bcftools(
                "it takes the order of GT for phase; nobody knows which haplotype has the G",
            ),
        row("half call, unphased, by the order of GT", "5 A G ./1")
            .with("--unphased gt-order")
            .gives(REF, "ACGTGCGTACGTACGTACGTACGTACGTAC")
            .skips("unphased_gt_order 1, missing_as_ref 1")
            .like_bcftools(),
    ]
}

fn ploidy() -> Vec<Case> {
    vec![
        row("haploid", "5 A G 1")
            .gives("ACGTGCGTACGTACGTACGTACGTACGTAC", ABSENT)
            .skips("haploid_absent 1")
            .unlike_bcftools("it writes the reference as the second haplotype, with one warning"),
        row("haploid, reference", "5 A G 0")
            .gives(REF, ABSENT)
            .skips("haploid_absent 1")
            .unlike_bcftools("as above"),
        row("haploid, repeated", "5 A G 1")
            .with("--haploid dup")
            .gives(
                "ACGTGCGTACGTACGTACGTACGTACGTAC",
                "ACGTGCGTACGTACGTACGTACGTACGTAC",
            )
            .skips("haploid_duplicated 1")
            .unlike_bcftools("it has no such choice"),
        row("haploid, refused", "5 A G 1")
            .with("--haploid error")
            .refused(&["chr1:5: sample `S1`: ", "haploid", "--haploid"])
            .unlike_bcftools("it cannot refuse"),
        row("haploid, missing", "5 A G .")
            .gives(REF, ABSENT)
            .skips("missing_as_ref 1, haploid_absent 1")
            .unlike_bcftools("it writes the reference as the second haplotype"),
        row("haploid, missing, as N", "5 A G .")
            .with("--missing N")
            .gives("ACGTNCGTACGTACGTACGTACGTACGTAC", ABSENT)
            .skips("missing_as_n 1, haploid_absent 1")
            .unlike_bcftools("it writes N into a second haplotype that does not exist"),
        row("haploid throughout", "X:5 A G 1 + X:9 A G 0")
            .gives("ACGTGCGTACGTACGTACGTACGTACGTAC", ABSENT)
            .skips("haploid_absent 1")
            .unlike_bcftools("it writes a second haplotype"),
        row("mixed ploidy", "X:5 A G 1 + X:9 A G 0|1")
            .refused(&["X:9: sample `S1`: ", "ploidy", "--haploid"])
            .unlike_bcftools(
                "it applies the second record only to the second haplotype: the locus lies across \
                 the border of the pseudo-autosomal region",
            ),
        row(
            "mixed ploidy, the diploid call first",
            "X:5 A G 0|1 + X:9 A G 1",
        )
        .refused(&["X:9: sample `S1`: ", "ploidy", "--haploid"])
        .unlike_bcftools("as above"),
        row("mixed ploidy, repeated", "X:5 A G 1 + X:9 A G 0|1")
            .with("--haploid dup")
            .gives(
                "ACGTGCGTACGTACGTACGTACGTACGTAC",
                "ACGTGCGTGCGTACGTACGTACGTACGTAC",
            )
            .skips("haploid_duplicated 1")
            .unlike_bcftools("it has no such choice"),
        row("triploid", "5 A G,T 0|1|2")
            .refused(&["chr1:5: sample `S1`: ", "ploidy"])
            .unlike_bcftools(
                "its -H 3 reads the third allele: more than two haplotypes are nothing we have a \
                 model for",
            ),
    ]
}

fn multi_allelic() -> Vec<Case> {
    vec![
        row("multi-allelic", "5 A G,T 1|2")
            .gives(
                "ACGTGCGTACGTACGTACGTACGTACGTAC",
                "ACGTTCGTACGTACGTACGTACGTACGTAC",
            )
            .like_bcftools(),
        row("multi-allelic, SNP and deletion", "5 ACG ACT,A 1|2")
            .gives(
                "ACGTACTTACGTACGTACGTACGTACGTAC",
                "ACGTATACGTACGTACGTACGTACGTAC",
            )
            .like_bcftools(),
        row("GT names an allele that is not there", "5 A G 2|0")
            .refused(&["chr1:5: sample `S1`: ", "2"])
            .unlike_bcftools("it refuses as well, but only where that haplotype is asked for"),
        row("split multi-allelic", "5 A G 1|0 + 5 A T 0|1")
            .gives(
                "ACGTGCGTACGTACGTACGTACGTACGTAC",
                "ACGTTCGTACGTACGTACGTACGTACGTAC",
            )
            .like_bcftools(),
        row("duplicate record", "5 A G 1|0 + 5 A G 1|0")
            .gives("ACGTGCGTACGTACGTACGTACGTACGTAC", REF)
            .skips("duplicate 1")
            .like_bcftools(),
        row("duplicate deletion", "5 ACG A 1|0 + 5 ACG A 1|0")
            .gives("ACGTATACGTACGTACGTACGTACGTAC", REF)
            .skips("duplicate 1")
            .like_bcftools(),
        row("duplicate insertion", "5 A ATT 1|0 + 5 A ATT 1|0")
            .gives("ACGTATTCGTACGTACGTACGTACGTACGTAC", REF)
            .skips("duplicate 1")
            .like_bcftools(),
        row("conflicting duplicate", "5 A G 1|0 + 5 A T 1|0")
            .gives("ACGTGCGTACGTACGTACGTACGTACGTAC", REF)
            .skips("conflict 1")
            .like_bcftools(),
        row("conflicting duplicate, refused", "5 A G 1|0 + 5 A T 1|0")
            .with("--strict")
            .refused(&["chr1:5", "sample `S1`"])
            .unlike_bcftools("it cannot refuse"),
        row(
            "split multi-allelic under --strict",
            "5 A G 1|0 + 5 A T 0|1",
        )
        .with("--strict")
        .gives(
            "ACGTGCGTACGTACGTACGTACGTACGTAC",
            "ACGTTCGTACGTACGTACGTACGTACGTAC",
        )
        .like_bcftools(),
    ]
}

/// Neighbours and overlaps; positions are frozen for each haplotype alone.
fn overlaps() -> Vec<Case> {
    vec![
        row(
            "SNP inside a deletion, one haplotype",
            "5 ACG A 1|0 + 6 C T 1|0",
        )
        .gives("ACGTATACGTACGTACGTACGTACGTAC", REF)
        .skips("overlap 1")
        .like_bcftools(),
        row(
            "SNP inside a deletion, the other haplotype",
            "5 ACG A 1|0 + 6 C T 0|1",
        )
        .gives(
            "ACGTATACGTACGTACGTACGTACGTAC",
            "ACGTATGTACGTACGTACGTACGTACGTAC",
        )
        .like_bcftools(),
        row(
            "SNP inside a deletion that nobody carries",
            "5 ACG A 0|0 + 6 C T 1|0",
        )
        .gives("ACGTATGTACGTACGTACGTACGTACGTAC", REF)
        .like_bcftools(),
        row("SNP inside a missing deletion", "5 ACG A .|. + 6 C T 1|0")
            .gives("ACGTATGTACGTACGTACGTACGTACGTAC", REF)
            .skips("missing_as_ref 2")
            .like_bcftools(),
        row("two deletions that overlap", "5 ACGT A 1|0 + 7 GTA G 1|0")
            .gives("ACGTAACGTACGTACGTACGTACGTAC", REF)
            .skips("overlap 1")
            .like_bcftools(),
        row("deletion, SNP just after", "5 AC A 1|0 + 7 G T 1|0")
            .gives("ACGTATTACGTACGTACGTACGTACGTAC", REF)
            .like_bcftools(),
        row(
            "deletion, insertion at its last base",
            "5 ACG A 1|0 + 7 G GTT 1|0",
        )
        .gives("ACGTATTTACGTACGTACGTACGTACGTAC", REF)
        .like_bcftools(),
        row(
            "deletion, insertion before its last base",
            "5 ACG A 1|0 + 6 C CTT 1|0",
        )
        .gives("ACGTATACGTACGTACGTACGTACGTAC", REF)
        .skips("overlap 1")
        .like_bcftools(),
        row("SNP then insertion, one POS", "5 A G 1|0 + 5 A ATT 1|0")
            .gives("ACGTGTTCGTACGTACGTACGTACGTACGTAC", REF)
            .like_bcftools(),
        row("insertion then SNP, one POS", "5 A ATT 1|0 + 5 A G 1|0")
            .gives("ACGTGTTCGTACGTACGTACGTACGTACGTAC", REF)
            .unlike_bcftools(
                "it skips the SNP: the order of records at one position must not matter",
            ),
        row("SNP then deletion, one POS", "5 A G 1|0 + 5 ACG A 1|0")
            .gives("ACGTGTACGTACGTACGTACGTACGTAC", REF)
            .like_bcftools(),
        row("deletion then SNP, one POS", "5 ACG A 1|0 + 5 A G 1|0")
            .gives("ACGTGTACGTACGTACGTACGTACGTAC", REF)
            .unlike_bcftools(
                "it skips the SNP: the order of records at one position must not matter",
            ),
        row("two insertions, one POS", "5 A AGG 1|0 + 5 A ATT 1|0")
            .gives("ACGTAGGCGTACGTACGTACGTACGTACGTAC", REF)
            .skips("overlap|conflict 1")
            .like_bcftools(),
        row(
            "two insertions, one POS, the later in the alphabet first",
            "5 A ATT 1|0 + 5 A AGG 1|0",
        )
        .gives("ACGTAGGCGTACGTACGTACGTACGTACGTAC", REF)
        .skips("overlap|conflict 1")
        .unlike_bcftools("the first of the file wins there; here the first by (POS, REF, ALT)"),
        row(
            "insertion and deletion, one anchor",
            "5 A ATT 1|0 + 5 ACG A 1|0",
        )
        .gives("ACGTATTCGTACGTACGTACGTACGTACGTAC", REF)
        .skips("overlap|conflict 1")
        .like_bcftools(),
        row(
            "deletion and insertion, one anchor",
            "5 ACG A 1|0 + 5 A ATT 1|0",
        )
        .gives("ACGTATTCGTACGTACGTACGTACGTACGTAC", REF)
        .skips("overlap|conflict 1")
        .unlike_bcftools("the first of the file wins there; here the first by (POS, REF, ALT)"),
        row(
            "insertions at neighbouring bases",
            "5 A ATT 1|0 + 6 C CGG 1|0",
        )
        .gives("ACGTATTCGGGTACGTACGTACGTACGTACGTAC", REF)
        .like_bcftools(),
        row("SNPs at neighbouring bases", "5 A G 1|0 + 6 C T 1|0")
            .gives("ACGTGTGTACGTACGTACGTACGTACGTAC", REF)
            .like_bcftools(),
        row("SNP inside an MNP", "5 ACG TTT 1|0 + 6 C G 1|0")
            .gives("ACGTTTTTACGTACGTACGTACGTACGTAC", REF)
            .skips("overlap 1")
            .like_bcftools(),
        row(
            "an allele that can be trimmed, SNP at its shared last base",
            "5 ACGT ATGT 1|0 + 8 T G 1|0",
        )
        .gives("ACGTATGGACGTACGTACGTACGTACGTAC", REF)
        .unlike_bcftools(
            "it freezes all of REF; alleles are trimmed to what they change, so that nothing \
             depends on how they are written",
        ),
        row("delins, insertion just after", "5 ACG TT 1|0 + 8 T TA 1|0")
            .gives("ACGTTTTAACGTACGTACGTACGTACGTAC", REF)
            .like_bcftools(),
    ]
}

/// `--overlap bcftools`: the order of the file decides, byte for byte as in bcftools.
fn file_order() -> Vec<Case> {
    let by_file = |name, records| row(name, records).with("--overlap bcftools");
    vec![
        by_file("file order: insertion then SNP", "5 A ATT 1|0 + 5 A G 1|0")
            .gives("ACGTATTCGTACGTACGTACGTACGTACGTAC", REF)
            .skips("overlap|conflict 1")
            .like_bcftools(),
        by_file("file order: SNP then insertion", "5 A G 1|0 + 5 A ATT 1|0")
            .gives("ACGTGTTCGTACGTACGTACGTACGTACGTAC", REF)
            .like_bcftools(),
        by_file("file order: deletion then SNP", "5 ACG A 1|0 + 5 A G 1|0")
            .gives("ACGTATACGTACGTACGTACGTACGTAC", REF)
            .skips("overlap|conflict 1")
            .like_bcftools(),
        by_file("file order: SNP then deletion", "5 A G 1|0 + 5 ACG A 1|0")
            .gives("ACGTGTACGTACGTACGTACGTACGTAC", REF)
            .like_bcftools(),
        by_file(
            "file order: insertion then deletion",
            "5 A ATT 1|0 + 5 ACG A 1|0",
        )
        .gives("ACGTATTCGTACGTACGTACGTACGTACGTAC", REF)
        .skips("overlap|conflict 1")
        .like_bcftools(),
        by_file(
            "file order: deletion then insertion",
            "5 ACG A 1|0 + 5 A ATT 1|0",
        )
        .gives("ACGTATACGTACGTACGTACGTACGTAC", REF)
        .skips("overlap|conflict 1")
        .like_bcftools(),
        by_file("file order: two insertions", "5 A ATT 1|0 + 5 A AGG 1|0")
            .gives("ACGTATTCGTACGTACGTACGTACGTACGTAC", REF)
            .skips("overlap|conflict 1")
            .like_bcftools(),
        by_file("file order: conflicting duplicate", "5 A T 1|0 + 5 A G 1|0")
            .gives("ACGTTCGTACGTACGTACGTACGTACGTAC", REF)
            .skips("overlap|conflict 1")
            .like_bcftools(),
        by_file(
            "file order: SNP inside a deletion",
            "5 ACG A 1|0 + 6 C T 1|0",
        )
        .gives("ACGTATACGTACGTACGTACGTACGTAC", REF)
        .skips("overlap 1")
        .like_bcftools(),
        by_file(
            "file order: insertion at the last deleted base",
            "5 ACG A 1|0 + 7 G GTT 1|0",
        )
        .gives("ACGTATTTACGTACGTACGTACGTACGTAC", REF)
        .like_bcftools(),
        by_file(
            "file order: a shared prefix and suffix freeze as well",
            "5 ACGT ATGT 1|0 + 8 T G 1|0",
        )
        .gives("ACGTATGTACGTACGTACGTACGTACGTAC", REF)
        .skips("overlap|conflict 1")
        .like_bcftools(),
    ]
}

/// Shapes and places of alleles.
fn shapes() -> Vec<Case> {
    vec![
        row("MNP", "5 ACG TTT 1|0")
            .gives("ACGTTTTTACGTACGTACGTACGTACGTAC", REF)
            .like_bcftools(),
        row("delins", "5 ACG TT 1|0")
            .gives("ACGTTTTACGTACGTACGTACGTACGTAC", REF)
            .like_bcftools(),
        row("deletion at POS 1", "1 AC C 1|0")
            .gives("CGTACGTACGTACGTACGTACGTACGTAC", REF)
            .like_bcftools(),
        row("insertion at POS 1", "1 A TTA 1|0")
            .gives("TTACGTACGTACGTACGTACGTACGTACGTAC", REF)
            .like_bcftools(),
        row("SNP at POS 1", "1 A T 1|0")
            .gives("TCGTACGTACGTACGTACGTACGTACGTAC", REF)
            .like_bcftools(),
        row("SNP at the last base", "30 C G 1|0")
            .gives("ACGTACGTACGTACGTACGTACGTACGTAG", REF)
            .like_bcftools(),
        row("insertion after the last base", "30 C CTT 1|0")
            .gives("ACGTACGTACGTACGTACGTACGTACGTACTT", REF)
            .like_bcftools(),
        row("beyond the contig", "5 A G 1|0 + 31 A G 1|0")
            .gives("ACGTGCGTACGTACGTACGTACGTACGTAC", REF)
            .like_bcftools(),
        row("REF that runs beyond the contig", "29 ACG A 1|0")
            .refused(&["chr1:29: ", "30"])
            .unlike_bcftools("it trims the record"),
        row("lower-case VCF", "5 a g 0|1")
            .gives(REF, "ACGTGCGTACGTACGTACGTACGTACGTAC")
            .like_bcftools(),
    ]
}

fn stars_and_odd_alleles() -> Vec<Case> {
    vec![
        row("`*` under a deletion", "5 ACG A 1|0 + 6 C T,* 2|1")
            .gives(
                "ACGTATACGTACGTACGTACGTACGTAC",
                "ACGTATGTACGTACGTACGTACGTACGTAC",
            )
            .skips("spanning_deletion 1")
            .like_bcftools(),
        row(
            "`*` under a deletion, further in",
            "5 ACGTA A 1|0 + 9 A G,* 2|1",
        )
        .gives(
            "ACGTACGTACGTACGTACGTACGTAC",
            "ACGTACGTGCGTACGTACGTACGTACGTAC",
        )
        .skips("spanning_deletion 1")
        .like_bcftools(),
        row("`*` where nothing is deleted", "6 C T,* 2|1")
            .gives(REF, "ACGTATGTACGTACGTACGTACGTACGTAC")
            .skips("star_without_deletion 1")
            .unlike_bcftools("it writes the character * into the bases"),
        row("`*` just after a deletion", "5 ACG A 1|0 + 8 T G,* 2|1")
            .gives(
                "ACGTATACGTACGTACGTACGTACGTAC",
                "ACGTACGGACGTACGTACGTACGTACGTAC",
            )
            .skips("star_without_deletion 1")
            .unlike_bcftools("it writes the character * into the bases"),
        row(
            "`*` under a deletion of the other haplotype",
            "5 ACG A 0|1 + 6 C T,* 2|0",
        )
        .gives(REF, "ACGTATACGTACGTACGTACGTACGTAC")
        .skips("star_without_deletion 1")
        .unlike_bcftools("it writes the character * into the bases"),
        row("no ALT", "5 A . 0|0").gives(REF, REF).like_bcftools(),
        row("ALT is REF", "5 A A 1|0")
            .gives(REF, REF)
            .skips("alt_is_ref 1")
            .like_bcftools(),
        row("ALT N", "5 A N 1|0")
            .gives("ACGTNCGTACGTACGTACGTACGTACGTAC", REF)
            .like_bcftools(),
        row("ALT of another IUPAC code", "5 A R 1|0")
            .gives("ACGTNCGTACGTACGTACGTACGTACGTAC", REF)
            .skips("alt_iupac_as_n 1")
            .unlike_bcftools("it writes the R: the alphabet of haplotypes is ACGTN"),
    ]
}

/// What the FASTA says.
fn references() -> Vec<Case> {
    vec![
        row("REF mismatch, carried", "5 G T 1|0")
            .refused(&["chr1:5: ", "`G`", "`A`", "GRCh37", "GRCh38"])
            .unlike_bcftools(
                "it refuses as well, but names no near place where REF fits, and no build",
            ),
        row("REF mismatch, not carried", "5 G T 0|0")
            .refused(&["chr1:5: ", "`G`", "`A`"])
            .unlike_bcftools("it does not look: a wrong reference is a wrong reference"),
        row("REF mismatch behind the first base", "5 ACT A 1|0")
            .refused(&["chr1:5: ", "`T`", "`G`"])
            .unlike_bcftools("it refuses as well"),
        row("REF mismatch outside the region", "3 CTAC C 1|0")
            .at("chr1:5-12")
            .refused(&["chr1:3: "])
            .unlike_bcftools("it looks only inside"),
        row("FASTA has N", "5 A G 0|1")
            .on("ACGTNCGTACGTACGTACGTACGTACGTAC")
            .gives(
                "ACGTNCGTACGTACGTACGTACGTACGTAC",
                "ACGTGCGTACGTACGTACGTACGTACGTAC",
            )
            .skips("ref_ambiguous 1")
            .unlike_bcftools("it refuses; N may be an A"),
        row("FASTA has an IUPAC code that may be REF", "5 A T 0|1")
            .on("ACGTRCGTACGTACGTACGTACGTACGTAC")
            .gives(
                "ACGTNCGTACGTACGTACGTACGTACGTAC",
                "ACGTTCGTACGTACGTACGTACGTACGTAC",
            )
            .skips("ref_ambiguous 1")
            .unlike_bcftools("it refuses; R may be an A, and is N where nobody says which"),
        row("FASTA has an IUPAC code that cannot be REF", "5 C T 0|1")
            .on("ACGTRCGTACGTACGTACGTACGTACGTAC")
            .refused(&["chr1:5: ", "`C`", "`R`"])
            .unlike_bcftools("it refuses as well"),
        row("soft-masked FASTA", "9 A G 0|1 + 13 A AGG 0|1")
            .on("ACGTacgtacgtacgtACGTACGTACGTAC")
            .gives(REF, "ACGTACGTGCGTAGGCGTACGTACGTACGTAC")
            .unlike_bcftools("it keeps lower-case bases, which tokenizers lose"),
    ]
}

fn filters() -> Vec<Case> {
    vec![
        row("FILTER", "5 A G LowQ 0|1")
            .gives(REF, REF)
            .skips("filter 1")
            .unlike_bcftools("it applies every record unless told otherwise"),
        row("FILTER, all applied", "5 A G LowQ 0|1")
            .with("--apply-filters all")
            .gives(REF, "ACGTGCGTACGTACGTACGTACGTACGTAC")
            .like_bcftools(),
        row("FILTER is `.`", "5 A G . 0|1")
            .gives(REF, "ACGTGCGTACGTACGTACGTACGTACGTAC")
            .like_bcftools(),
        row(
            "FILTER is `.`, only PASS wanted",
            "5 A G . 0|1 + 9 A G PASS 0|1",
        )
        .with("--apply-filters PASS")
        .gives(REF, "ACGTACGTGCGTACGTACGTACGTACGTAC")
        .skips("filter 1")
        .unlike_bcftools(
            "it has no such option; `bcftools view -f PASS` leaves the same record out",
        ),
        row(
            "FILTER named",
            "5 A G LowQ 0|1 + 9 A G q10 0|1 + 13 A G PASS 0|1 + 17 A G . 0|1",
        )
        .with("--apply-filters .,PASS,LowQ")
        .gives(REF, "ACGTGCGTACGTGCGTGCGTACGTACGTAC")
        .skips("filter 1")
        .unlike_bcftools(
            "it has no such option; `bcftools view -f .,PASS,LowQ` leaves the same record out",
        ),
        row("one of two FILTERs named", "5 A G LowQ;q10 0|1")
            .with("--apply-filters PASS,q10")
            .gives(REF, "ACGTGCGTACGTACGTACGTACGTACGTAC")
            .like_bcftools(),
    ]
}

fn symbolic() -> Vec<Case> {
    vec![
        row("<DEL> with END", "5 A <DEL> SVTYPE=DEL,END=9 1|0")
            .gives("ACGTACGTACGTACGTACGTACGTAC", REF)
            .like_bcftools(),
        row(
            "<DEL> with SVLEN alone",
            "5 A <DEL> SVTYPE=DEL,SVLEN=-4 1|0",
        )
        .gives("ACGTACGTACGTACGTACGTACGTAC", REF)
        .like_bcftools_since((1, 24)),
        row(
            "<DEL> with END and SVLEN that contradict each other",
            "5 A <DEL> SVTYPE=DEL,END=9,SVLEN=-3 1|0",
        )
        .gives("ACGTACGTACGTACGTACGTACGTAC", REF)
        .skips("end_against_svlen 1")
        .like_bcftools(),
        row(
            "<DEL> that ends where it starts",
            "5 A <DEL> SVTYPE=DEL,END=5 1|0",
        )
        .gives(REF, REF)
        .skips("alt_is_ref 1")
        .like_bcftools(),
        row("<DEL> with neither", "5 A <DEL> SVTYPE=DEL 1|0")
            .refused(&["chr1:5: ", "<DEL>", "END", "SVLEN"])
            .unlike_bcftools("it changes nothing, without a word"),
        row("<DEL> with a long REF", "5 ACG <DEL> SVTYPE=DEL,END=9 1|0")
            .gives("ACGTACGTACGTACGTACGTACGTAC", REF)
            .like_bcftools(),
        row(
            "SNP inside a <DEL>",
            "5 A <DEL> SVTYPE=DEL,END=9 1|0 + 7 G T 1|1",
        )
        .gives(
            "ACGTACGTACGTACGTACGTACGTAC",
            "ACGTACTTACGTACGTACGTACGTACGTAC",
        )
        .skips("overlap 1")
        .like_bcftools(),
        row(
            "`*` inside a <DEL>",
            "5 A <DEL> SVTYPE=DEL,END=9 1|0 + 7 G T,* 2|1",
        )
        .gives(
            "ACGTACGTACGTACGTACGTACGTAC",
            "ACGTACTTACGTACGTACGTACGTACGTAC",
        )
        .skips("spanning_deletion 1")
        .like_bcftools(),
        row(
            "<DEL> and a SNP, the SNP carried",
            "5 A <DEL>,T SVTYPE=DEL,END=9 2|1",
        )
        .gives(
            "ACGTTCGTACGTACGTACGTACGTACGTAC",
            "ACGTACGTACGTACGTACGTACGTAC",
        )
        .unlike_bcftools("it reads END as the length of the SNP's REF, and refuses"),
        row("<CN0>, carried", "5 A <CN0> END=9 1|0")
            .gives(REF, REF)
            .skips("symbolic 1")
            .unlike_bcftools("it refuses"),
        row("<CN0>, not carried", "5 A <CN0> END=9 0|0")
            .gives(REF, REF)
            .like_bcftools(),
        row("<INS>, carried", "5 A <INS> SVTYPE=INS,END=5 1|0")
            .gives(REF, REF)
            .skips("symbolic 1")
            .unlike_bcftools("it refuses"),
        row("<DUP>, carried", "5 A <DUP> SVTYPE=DUP,END=9 1|1")
            .gives(REF, REF)
            .skips("symbolic 2")
            .unlike_bcftools("it refuses"),
        row("<DUP>, refused", "5 A <DUP> SVTYPE=DUP,END=9 0|1")
            .with("--symbolic error")
            .refused(&["chr1:5: ", "sample `S1`", "<DUP>", "--symbolic"])
            .unlike_bcftools("it refuses always"),
        row(
            "<DUP>, not carried, under --symbolic error",
            "5 A <DUP> SVTYPE=DUP,END=9 0|0",
        )
        .with("--symbolic error")
        .gives(REF, REF)
        .like_bcftools(),
        row(
            "<DEL> under --symbolic error",
            "5 A <DEL> SVTYPE=DEL,END=9 1|0",
        )
        .with("--symbolic error")
        .gives("ACGTACGTACGTACGTACGTACGTAC", REF)
        .like_bcftools(),
        row(
            "reference block <NON_REF>",
            "5 A <NON_REF> END=9 0|0 + 10 C G 1|0",
        )
        .gives("ACGTACGTAGGTACGTACGTACGTACGTAC", REF)
        .like_bcftools(),
        row("reference block <*>", "5 A <*> END=9 0/0 + 10 C G 1|0")
            .gives("ACGTACGTAGGTACGTACGTACGTACGTAC", REF)
            .like_bcftools(),
        row("SNP with <NON_REF>", "5 A G,<NON_REF> 0|1")
            .gives(REF, "ACGTGCGTACGTACGTACGTACGTACGTAC")
            .like_bcftools(),
        row("breakend", "5 A A[chr1:20[ 1|0")
            .gives(REF, REF)
            .skips("symbolic 1")
            .unlike_bcftools("it writes the text of the breakend into the bases"),
        row("breakend, refused", "5 A ]chr1:20]A 1|0")
            .with("--symbolic error")
            .refused(&["chr1:5: ", "sample `S1`", "]chr1:20]A", "--symbolic"])
            .unlike_bcftools("it writes the text of the breakend into the bases"),
        row("single breakend", "5 A A. 1|0")
            .gives(REF, REF)
            .skips("symbolic 1")
            .unlike_bcftools("it writes the text of the breakend into the bases"),
        row("unsorted", "9 A G 0|1 + 5 A G 0|1")
            .refused(&["chr1:5: ", "chr1:9", "sort"])
            .unlike_bcftools("it cannot be asked: the file has no index"),
    ]
}

/// `mask.bed` holds 5-6, `callable.bed` 1-8.
fn masks() -> Vec<Case> {
    vec![
        row("masked SNP", "5 A G 0|1 + 9 A G 0|1")
            .with("--mask mask.bed")
            .gives(
                "ACGTNNGTACGTACGTACGTACGTACGTAC",
                "ACGTNNGTGCGTACGTACGTACGTACGTAC",
            )
            .skips("masked 1")
            .like_bcftools(),
        row(
            "deletion that reaches into the mask",
            "3 GTA G 0|1 + 9 A G 0|1",
        )
        .with("--mask mask.bed")
        .gives(
            "ACGTNNGTACGTACGTACGTACGTACGTAC",
            "ACGTNNGTGCGTACGTACGTACGTACGTAC",
        )
        .skips("masked 1")
        .like_bcftools(),
        row("SNPs beside the mask", "4 T G 0|1 + 7 G T 0|1")
            .with("--mask mask.bed")
            .gives(
                "ACGTNNGTACGTACGTACGTACGTACGTAC",
                "ACGGNNTTACGTACGTACGTACGTACGTAC",
            )
            .like_bcftools(),
        row(
            "insertions beside and inside the mask",
            "4 T TGG 0|1 + 6 C CGG 0|1",
        )
        .with("--mask mask.bed")
        .gives(
            "ACGTNNGTACGTACGTACGTACGTACGTAC",
            "ACGTGGNNGTACGTACGTACGTACGTACGTAC",
        )
        .skips("masked 1")
        .like_bcftools(),
        row("deletion before the mask moves it", "1 ACG A 0|1")
            .with("--mask mask.bed")
            .gives(
                "ACGTNNGTACGTACGTACGTACGTACGTAC",
                "ATNNGTACGTACGTACGTACGTACGTAC",
            )
            .like_bcftools(),
        row("only a part is callable", "5 A G 0|1 + 9 A G 0|1")
            .with("--callable callable.bed")
            .gives(
                "ACGTACGTNNNNNNNNNNNNNNNNNNNNNN",
                "ACGTGCGTNNNNNNNNNNNNNNNNNNNNNN",
            )
            .skips("uncallable 1")
            .unlike_bcftools("it has only -m, for the complement"),
        row(
            "deletion that leaves what is callable",
            "5 A G 0|1 + 7 GTAC G 0|1",
        )
        .with("--callable callable.bed")
        .gives(
            "ACGTACGTNNNNNNNNNNNNNNNNNNNNNN",
            "ACGTGCGTNNNNNNNNNNNNNNNNNNNNNN",
        )
        .skips("uncallable 1")
        .unlike_bcftools("it has only -m, for the complement"),
        row(
            "mask inside what is callable",
            "5 A G 0|1 + 7 G T 0|1 + 9 A G 0|1",
        )
        .with("--mask mask.bed --callable callable.bed")
        .gives(
            "ACGTNNGTNNNNNNNNNNNNNNNNNNNNNN",
            "ACGTNNTTNNNNNNNNNNNNNNNNNNNNNN",
        )
        .skips("masked 1, uncallable 1")
        .unlike_bcftools("it has only -m, for the complement"),
    ]
}

/// `GT:PS`. The alleles are applied as they stand; how the sets lie to each other is unknown, and
/// counted.
fn phase_sets() -> Vec<Case> {
    vec![
        row("one phase set", "5 A G 0|1:5 + 9 A G 0|1:5")
            .gives(REF, "ACGTGCGTGCGTACGTACGTACGTACGTAC")
            .like_bcftools(),
        row("two phase sets", "5 A G 0|1:5 + 9 A G 1|0:9")
            .gives(
                "ACGTACGTGCGTACGTACGTACGTACGTAC",
                "ACGTGCGTACGTACGTACGTACGTACGTAC",
            )
            .skips("phase_set 1")
            .like_bcftools(),
        row(
            "phase sets of homozygotes",
            "5 A G 0|1:5 + 9 A G 1|1:9 + 13 A G 0|1:5",
        )
        .gives(
            "ACGTACGTGCGTACGTACGTACGTACGTAC",
            "ACGTGCGTGCGTGCGTACGTACGTACGTAC",
        )
        .like_bcftools(),
        row(
            "three phase sets",
            "5 A G 0|1:5 + 9 A G 1|0:9 + 13 A G 0|1:5",
        )
        .gives(
            "ACGTACGTGCGTACGTACGTACGTACGTAC",
            "ACGTGCGTACGTGCGTACGTACGTACGTAC",
        )
        .skips("phase_set 2")
        .like_bcftools(),
    ]
}

/// What is inside `chr1:5-12`, `ACGTACGT`. bcftools 1.16 does not see records that start before a
/// region; 1.24 does.
fn region_edges() -> Vec<Case> {
    let inside = |name, records| row(name, records).at("chr1:5-12");
    vec![
        inside("SNP at the first base", "5 A G 1|0")
            .gives("GCGTACGT", "ACGTACGT")
            .like_bcftools(),
        inside("SNP at the last base of the region", "12 T G 1|0")
            .gives("ACGTACGG", "ACGTACGT")
            .like_bcftools(),
        inside("deletion that enters from the left", "3 GTAC G 1|0")
            .gives("GTACGT", "ACGTACGT")
            .like_bcftools_since((1, 24)),
        inside("deletion whose anchor is outside", "4 TAC T 1|0")
            .gives("GTACGT", "ACGTACGT")
            .like_bcftools_since((1, 24)),
        inside("deletion trimmed at the right", "10 CGTAC C 1|0")
            .gives("ACGTAC", "ACGTACGT")
            .like_bcftools(),
        inside(
            "insertion after the last base of the region",
            "12 T TGGG 1|0",
        )
        .gives("ACGTACGTGGG", "ACGTACGT")
        .like_bcftools(),
        inside(
            "insertion before the first base",
            "4 T TGGG 1|0 + 8 T G 0|0",
        )
        .gives("ACGTACGT", "ACGTACGT")
        .like_bcftools(),
        inside("MNP trimmed at the left", "3 GTAC TTTT 1|0")
            .gives("TTGTACGT", "ACGTACGT")
            .like_bcftools_since((1, 24)),
        inside("MNP trimmed at the right", "11 GTAC TTTT 1|0")
            .gives("ACGTACTT", "ACGTACGT")
            .like_bcftools(),
        inside("delins trimmed at the right", "11 GTAC CA 1|0")
            .gives("ACGTACCA", "ACGTACGT")
            .like_bcftools(),
        inside("longer delins trimmed at the right", "12 TA CGG 1|0")
            .gives("ACGTACGC", "ACGTACGT")
            .like_bcftools(),
        inside(
            "insertion after the last base, with a long REF",
            "12 TA TGGA 1|0",
        )
        .gives("ACGTACGTGG", "ACGTACGT")
        .unlike_bcftools(
            "it cuts ALT with REF, and loses the insertion; how an allele is written must not \
             matter",
        ),
        inside(
            "insertion at the right, with a long REF",
            "11 GTAC GGTAC 1|0",
        )
        .gives("ACGTACGGT", "ACGTACGT")
        .unlike_bcftools(
            "it cuts ALT with REF, and loses the T; how an allele is written must not matter",
        ),
        inside(
            "two alleles that enter from the left",
            "3 GTAC TTTT 1|0 + 4 TAC T 1|0",
        )
        .gives("TTGTACGT", "ACGTACGT")
        .skips("overlap|conflict 1")
        .like_bcftools_since((1, 24)),
        inside("delins trimmed at the left", "4 TAC CT 1|0")
            .gives("TGTACGT", "ACGTACGT")
            .like_bcftools_since((1, 24)),
        inside("longer delins trimmed at the left", "3 GTA CCCCC 1|0")
            .gives("CCCCGTACGT", "ACGTACGT")
            .like_bcftools_since((1, 24)),
        inside("delins whose new bases are all outside", "3 GTAC CT 1|0")
            .gives("GTACGT", "ACGTACGT")
            .unlike_bcftools("1.24 writes before its buffer and aborts"),
        inside(
            "<DEL> that enters from the left",
            "2 C <DEL> SVTYPE=DEL,END=6 1|0",
        )
        .gives("GTACGT", "ACGTACGT")
        .like_bcftools_since((1, 24)),
        inside(
            "<DEL> of the whole region",
            "2 C <DEL> SVTYPE=DEL,END=20 1|0",
        )
        .gives("", "ACGTACGT")
        .like_bcftools_since((1, 24)),
        inside("deletion of the whole region", "4 TACGTACGTACGT T 1|0")
            .gives("", "ACGTACGT")
            .like_bcftools_since((1, 24)),
        inside(
            "SNP just outside, at the left and the right",
            "4 T G 1|0 + 8 T G 0|0 + 13 A G 1|0",
        )
        .gives("ACGTACGT", "ACGTACGT")
        .like_bcftools(),
    ]
}

/// Where two policies meet at one call, which bcftools knows nothing of.
fn policies_together() -> Vec<Case> {
    const R: &str = "ACGTRCGTACGTACGTACGTACGTACGTAC";
    const N: &str = "ACGTNCGTACGTACGTACGTACGTACGTAC";
    const G: &str = "ACGTGCGTACGTACGTACGTACGTACGTAC";
    let rows = vec![
        row("<DEL>, unphased, as IUPAC", "5 A <DEL> END=8 0/1")
            .with("--unphased iupac")
            .gives(REF, REF)
            .skips("unphased_as_ref 1"),
        row("SNP beside `*`, unphased, as IUPAC", "5 A G,* 1/2")
            .with("--unphased iupac")
            .gives(R, R)
            .skips("unphased_as_iupac 1"),
        row(
            "SNP beside a block, unphased, as IUPAC",
            "5 A G,<NON_REF> 1/2",
        )
        .with("--unphased iupac")
        .gives(R, R)
        .skips("unphased_as_iupac 1"),
        row(
            "SNP beside an insertion left out, unphased, as IUPAC",
            "5 A G,<INS> 1/2",
        )
        .with("--unphased iupac")
        .gives(R, R)
        .skips("unphased_as_iupac 1, symbolic 1"),
        row(
            "half call, unphased, as the reference, missing refused",
            "5 A G ./1",
        )
        .with("--unphased ref --missing error")
        .refused(&["chr1:5: sample `S1`: ", "missing allele"]),
        row("half call, unphased, as IUPAC", "5 A G ./1")
            .with("--unphased iupac")
            .gives(R, R)
            .skips("unphased_as_iupac 1, missing_as_ref 1"),
        row("missing beside the reference needs no phase", "5 A G ./0")
            .gives(REF, REF)
            .skips("missing_as_ref 1"),
        row(
            "known alleles go before N, whatever their letter",
            "5 A G 1|. + 5 A T .|1",
        )
        .with("--missing N")
        .gives(G, "ACGTTCGTACGTACGTACGTACGTACGTAC")
        .skips("missing_as_n 2, overlap|conflict 2"),
        row("missing block", "5 A <NON_REF> END=12 ./.")
            .with("--missing N")
            .gives(
                "ACGTNNNNNNNNACGTACGTACGTACGTAC",
                "ACGTNNNNNNNNACGTACGTACGTACGTAC",
            )
            .skips("missing_as_n 2"),
        row("a lone dot of a diploid person", "5 A G . + 9 A G 0|1")
            .with("--missing N")
            .gives(N, "ACGTNCGTGCGTACGTACGTACGTACGTAC")
            .skips("missing_as_n 2"),
        row("haploid at a filtered record only", "5 A G LowQ 1")
            .gives(REF, ABSENT)
            .skips("filter 1, haploid_absent 1"),
        row("`*` over a SNP", "6 C T 1|0 + 6 C * 1|0")
            .gives("ACGTATGTACGTACGTACGTACGTACGTAC", REF)
            .skips("star_without_deletion 1"),
    ];
    rows.into_iter()
        .map(|row| row.unlike_bcftools("it has no such policies"))
        .collect()
}

fn report(wrong: &[String], n_checked: usize) {
    assert!(
        wrong.is_empty(),
        "{} of {n_checked} rows:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn every_rule_gives_the_expected_bases_and_skips() {
    let cases = cases();
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let folder = TempDir::new().unwrap();
            case.write(folder.path());
            case.check(case.run(folder.path(), "cohort.vcf"))
                .err()
                .map(|reason| format!("{}: {reason}", case.name))
        })
        .collect();
    report(&wrong, cases.len());
}

#[test]
fn every_row_has_its_own_name_and_says_what_bcftools_does() {
    let cases = cases();
    let names: std::collections::BTreeSet<&str> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len());
    for case in &cases {
        match case.bcftools {
            Bcftools::Unsaid => panic!("{}: as bcftools, or not?", case.name),
            Bcftools::Same(_) => assert!(
                case.expected.is_ok(),
                "{}: what is refused is unlike bcftools",
                case.name
            ),
            Bcftools::Differs(why) => assert!(!why.is_empty(), "{}", case.name),
        }
    }
}

/// Rows whose records share a POS, with the records of each POS turned round.
#[test]
fn the_order_of_records_at_one_position_does_not_matter() {
    let mut n_checked = 0;
    let mut wrong = Vec::new();
    for mut case in cases()
        .into_iter()
        .filter(|case| !case.options.contains("bcftools"))
    {
        let turned: Vec<&str> = case
            .records
            .chunk_by(|a, b| a.split(' ').next() == b.split(' ').next())
            .flat_map(|same| same.iter().rev())
            .copied()
            .collect();
        if turned == case.records {
            continue;
        }
        n_checked += 1;
        case.records = turned;
        let folder = TempDir::new().unwrap();
        case.write(folder.path());
        if let Err(reason) = case.check(case.run(folder.path(), "cohort.vcf")) {
            wrong.push(format!("{}, turned round: {reason}", case.name));
        }
    }
    assert!(n_checked >= 10);
    report(&wrong, n_checked);
}

/// What `bcftools consensus` is asked for where our options say the same.
fn consensus_options(options: &str) -> String {
    let words: Vec<&str> = options.split(' ').collect();
    let mut asked = String::new();
    for pair in words.windows(2) {
        match pair {
            ["--missing", "N"] => asked += " -M N",
            ["--mask", bed] => asked = format!("{asked} -m {bed}"),
            _ => {}
        }
    }
    asked
}

#[test]
fn bcftools_gives_the_same_bases_and_so_do_indexed_vcf_and_bcf() {
    let Some(version) = bcftools_version() else {
        return;
    };
    let mut n_checked = 0;
    let mut n_other_version = 0;
    let mut wrong = Vec::new();
    for case in cases() {
        let Ok(expected) = case.expected else {
            continue;
        };
        let folder = TempDir::new().unwrap();
        let folder = folder.path();
        case.write(folder);
        let as_plain_vcf = case.run(folder, "cohort.vcf");
        for (format, name) in [("z", "cohort.vcf.gz"), ("b", "cohort.bcf")] {
            bcftools(folder, &format!("view -O{format} -o {name} cohort.vcf"));
            bcftools(folder, &format!("index {name}"));
            let found = case.run(folder, name);
            if as_plain_vcf.is_ok() && found != as_plain_vcf {
                wrong.push(format!(
                    "{}: {name} gave {found:?}, the plain VCF {as_plain_vcf:?}",
                    case.name
                ));
            }
        }
        let Bcftools::Same(since) = case.bcftools else {
            continue;
        };
        if version < since {
            n_other_version += 1;
            continue;
        }
        let (contig, start0, end0) = case.locus();
        let name = if end0 - start0 == 30 {
            contig.as_str()
        } else {
            case.region
        };
        fs::write(
            folder.join("slice.fa"),
            format!(">{name}\n{}\n", &case.reference[start0..end0]),
        )
        .unwrap();
        let options = consensus_options(case.options);
        let unphased = if case.options.contains("iupac") {
            "pIu"
        } else {
            ""
        };
        for (haplotype, expected) in expected.iter().enumerate() {
            let text = bcftools(
                folder,
                &format!(
                    "consensus -f slice.fa -s S1 -H {}{unphased}{options} cohort.vcf.gz",
                    haplotype + 1
                ),
            );
            let theirs = fasta(&String::from_utf8(text).unwrap())
                .into_values()
                .next()
                .unwrap();
            if theirs != *expected {
                wrong.push(format!(
                    "{}: haplotype {} of bcftools {version:?} is {theirs}, expected {expected}",
                    case.name,
                    haplotype + 1
                ));
            }
        }
        n_checked += 1;
    }
    eprintln!(
        "{n_checked} rows compared with bcftools {version:?}; {n_other_version} rows hold from a \
         later version on"
    );
    report(&wrong, n_checked);
}
