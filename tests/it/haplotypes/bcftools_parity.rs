//! Haplotypes compared with `bcftools consensus -H 1|2`, byte for byte: random cohorts (seeded),
//! and real genomes where these are present.
//!
//! The random records are those on which bcftools is right (`haplotype_cases.rs` has the others):
//! SNP, MNP, insertion, deletion, delins, multi-allelic in one record and in several, `*` under a
//! deletion, missing calls, unphased homozygotes. Each contig is a locus, so that one
//! call of bcftools gives one haplotype of a person at hundreds of loci. `GF_FUZZ_CASES` sets the
//! number of contigs of each cohort.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    ops::Range,
    path::Path,
};

use crate::support::{
    RealGenomes, bcftools, bcftools_version, fasta, random_bases, real_data, succeed,
};
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

const N_PEOPLE: usize = 10;
const LEN_NT: usize = 2_000;

/// Contigs of a random cohort, where nothing else is said.
fn n_contigs(default: usize) -> usize {
    std::env::var("GF_FUZZ_CASES").map_or(default, |text| text.parse().unwrap())
}

/// What a random cohort holds beside phased SNPs, indels and the rest.
#[derive(Clone, Copy, Default)]
#[allow(clippy::struct_excessive_bools)] // each is one thing a cohort has or has not
struct Shape {
    /// Several records at one POS, and alleles that are not trimmed to what they change.
    ties: bool,
    /// Heterozygotes without phase.
    unphased: bool,
    /// Heterozygotes without phase, and every indel phased or homozygous.
    iupac: bool,
    /// Missing calls only where REF is one base.
    missing_at_one_base: bool,
    /// FILTER other than PASS.
    filters: bool,
    /// No `*`: what is masked cannot be the deletion that a `*` stands for.
    no_stars: bool,
}

struct Record {
    position: usize,
    ref_allele: String,
    alt_alleles: Vec<String>,
    filter: &'static str,
    genotypes: Vec<String>,
}

impl Record {
    /// 1-based position of the last base of REF.
    fn end(&self) -> usize {
        self.position + self.ref_allele.len() - 1
    }
}

struct Contig {
    name: String,
    bases: String,
    records: Vec<Record>,
}

/// A base that is none of `others`.
fn base_unlike(rng: &mut ChaCha8Rng, others: &[u8]) -> char {
    let left: Vec<u8> = b"ACGT"
        .iter()
        .filter(|base| !others.contains(base))
        .copied()
        .collect();
    char::from(*left.choose(rng).unwrap())
}

/// Bases whose first and last differ from those of `ref_allele`.
fn unlike(rng: &mut ChaCha8Rng, ref_allele: &str, len_nt: usize) -> String {
    let first = ref_allele.as_bytes()[0];
    let last = ref_allele.as_bytes()[ref_allele.len() - 1];
    if len_nt == 1 {
        return base_unlike(rng, &[first, last]).to_string();
    }
    let begin = base_unlike(rng, &[first]);
    let middle = random_bases(rng, len_nt - 2);
    let end = base_unlike(rng, &[last]);
    format!("{begin}{middle}{end}")
}

/// A contig with records on it. Unless `shape.ties`, no two records share a POS, and nothing
/// touches a record in which some allele is longer written than what it changes, or replaces bases
/// by more: there the order of the file, or the way of writing, counts for bcftools.
fn random_contig(rng: &mut ChaCha8Rng, name: String, shape: Shape) -> Contig {
    let bases = random_bases(rng, LEN_NT);
    let mut records: Vec<Record> = Vec::new();
    let mut position = rng.random_range(1..=3);
    let mut clear_to = 0;
    let mut reach = 0;
    while position + 8 <= bases.len() {
        let reference = |from: usize, len_nt: usize| bases[from - 1..][..len_nt].to_owned();
        let one_base = reference(position, 1);
        let anchor = one_base.as_bytes()[0];
        let len_nt = rng.random_range(2..=5);
        let long = reference(position, len_nt);
        let mut star = false;
        let (ref_allele, alt_alleles, alone) = match rng.random_range(0..100) {
            0..35 => (
                one_base,
                vec![base_unlike(rng, &[anchor]).to_string()],
                false,
            ),
            35..43 => {
                let mut alts = vec!["A", "C", "G", "T"];
                alts.retain(|alt| *alt != one_base);
                (
                    one_base,
                    alts.choose_multiple(rng, 2)
                        .map(|alt| (*alt).to_owned())
                        .collect(),
                    false,
                )
            }
            43..50 => {
                let alt = unlike(rng, &long, len_nt);
                (long, vec![alt], false)
            }
            50..65 => {
                let n_new = rng.random_range(1..=6);
                let alt = format!("{one_base}{}", random_bases(rng, n_new));
                (one_base, vec![alt], false)
            }
            65..80 if position == 1 => {
                // The anchor comes after what is deleted.
                let alt = long[len_nt - 1..].to_owned();
                (long, vec![alt], true)
            }
            65..80 => (long, vec![one_base], false),
            80..88 => {
                let len_alt = rng.random_range(1..=7);
                let alt = unlike(rng, &long, len_alt);
                (long, vec![alt], len_alt > len_nt)
            }
            88..94 => {
                let last = base_unlike(rng, &[long.as_bytes()[len_nt - 1]]);
                let n_new = rng.random_range(1..=3);
                let inserted = format!("{one_base}{}{}", random_bases(rng, n_new), &long[1..]);
                let changed = format!("{}{last}", &long[..len_nt - 1]);
                (long, vec![one_base, changed, inserted], true)
            }
            // Wholly a matter of the records around it: only where no other reaches.
            _ if position > reach && !shape.no_stars => {
                star = true;
                (long, vec![one_base], true)
            }
            _ => (
                one_base,
                vec![base_unlike(rng, &[anchor]).to_string()],
                false,
            ),
        };
        let alone = alone && !shape.ties;
        if alone && position <= reach {
            position += 1;
            continue;
        }
        let filter = if shape.filters {
            ["PASS", ".", "LowQ"][rng.random_range(0..3)]
        } else {
            "PASS"
        };
        let mut record = Record {
            position,
            ref_allele,
            alt_alleles,
            filter,
            genotypes: Vec::new(),
        };
        record.genotypes = (0..N_PEOPLE)
            .map(|_| random_genotype(rng, &record, shape))
            .collect();
        reach = reach.max(record.end());
        if alone || star {
            clear_to = record.end();
        }
        let inside = star.then(|| star_inside(rng, &record, &bases));
        records.push(record);
        records.extend(inside);
        let step = *[2, 9, 40].choose(rng).unwrap();
        position += if shape.ties && rng.random_bool(0.25) && !star {
            0
        } else {
            rng.random_range(1..=step)
        };
        position = position.max(clear_to + 1);
    }
    Contig {
        name,
        bases,
        records,
    }
}

/// `0|1`, `1/1`, `.|0` ... for one person.
fn random_genotype(rng: &mut ChaCha8Rng, record: &Record, shape: Shape) -> String {
    let first = random_allele(rng, record);
    let second = random_allele(rng, record);
    let same_length = record
        .alt_alleles
        .iter()
        .all(|alt| alt.len() == record.ref_allele.len());
    let may_be_missing = !shape.missing_at_one_base || record.ref_allele.len() == 1;
    let missing = if shape.missing_at_one_base { 15 } else { 3 };
    match rng.random_range(0..100) {
        draw if draw < missing && may_be_missing => {
            ["./.", ".|."][rng.random_range(0..2)].to_owned()
        }
        draw if draw < 2 * missing && may_be_missing => {
            if rng.random_bool(0.5) {
                format!(".|{second}")
            } else {
                format!("{first}|.")
            }
        }
        40..60 => format!("{first}/{first}"),
        60..80 if shape.unphased || shape.iupac && same_length => format!("{first}/{second}"),
        _ => format!("{first}|{second}"),
    }
}

/// An allele number of a record, often that of REF.
fn random_allele(rng: &mut ChaCha8Rng, record: &Record) -> usize {
    if rng.random_bool(0.6) {
        0
    } else {
        rng.random_range(1..=record.alt_alleles.len())
    }
}

/// A SNP under a deletion, with `*` on exactly the haplotypes that the deletion is on.
fn star_inside(rng: &mut ChaCha8Rng, deletion: &Record, bases: &str) -> Record {
    let position = rng.random_range(deletion.position + 1..=deletion.end());
    let ref_allele = bases[position - 1..position].to_owned();
    let alt = base_unlike(rng, ref_allele.as_bytes()).to_string();
    let genotypes = deletion.genotypes.iter().map(|genotype| {
        genotype
            .chars()
            .map(|c| {
                if c == '1' {
                    '2'
                } else if c == '0' && rng.random_bool(0.4) && !genotype.contains('/') {
                    '1'
                } else {
                    c
                }
            })
            .collect()
    });
    Record {
        position,
        ref_allele,
        alt_alleles: vec![alt, "*".to_owned()],
        filter: deletion.filter,
        genotypes: genotypes.collect(),
    }
}

fn random_cohort(seed: u64, n_contigs: usize, shape: Shape) -> Vec<Contig> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (1..=n_contigs)
        .map(|number| random_contig(&mut rng, format!("c{number}"), shape))
        .collect()
}

fn people() -> Vec<String> {
    (1..=N_PEOPLE).map(|person| format!("S{person}")).collect()
}

/// `reference.fa` (60 nt a line), `cohort.vcf.gz` and its index.
fn write_cohort(folder: &Path, contigs: &[Contig]) {
    let mut text = "##fileformat=VCFv4.2\n##FORMAT=<ID=GT,Number=1,Type=String,Description=\"\
                    Genotype\">\n##FILTER=<ID=LowQ,Description=\"Low quality\">\n"
        .to_owned();
    let mut reference = String::new();
    for contig in contigs {
        writeln!(
            text,
            "##contig=<ID={},length={}>",
            contig.name,
            contig.bases.len()
        )
        .unwrap();
        write_fasta(&mut reference, &contig.name, &contig.bases);
    }
    writeln!(
        text,
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{}",
        people().join("\t")
    )
    .unwrap();
    for contig in contigs {
        for Record {
            position,
            ref_allele,
            alt_alleles,
            filter,
            genotypes,
        } in &contig.records
        {
            let alts = alt_alleles.join(",");
            let genotypes = genotypes.join("\t");
            writeln!(
                text,
                "{}\t{position}\t.\t{ref_allele}\t{alts}\t.\t{filter}\t.\tGT\t{genotypes}",
                contig.name
            )
            .unwrap();
        }
    }
    fs::write(folder.join("reference.fa"), reference).unwrap();
    fs::write(folder.join("cohort.vcf"), text).unwrap();
    bcftools(folder, "view -Oz -o cohort.vcf.gz cohort.vcf");
    bcftools(folder, "index cohort.vcf.gz");
}

fn write_fasta(text: &mut String, name: &str, bases: &str) {
    writeln!(text, ">{name}").unwrap();
    for line in bases.as_bytes().chunks(60) {
        writeln!(text, "{}", std::str::from_utf8(line).unwrap()).unwrap();
    }
}

/// One interval of a contig, and the name of its slice.
struct Window<'c> {
    contig: &'c Contig,
    range: Range<usize>,
}

impl Window<'_> {
    fn name(&self) -> String {
        if self.range == (0..self.contig.bases.len()) {
            return self.contig.name.clone();
        }
        format!(
            "{}:{}-{}",
            self.contig.name,
            self.range.start + 1,
            self.range.end
        )
    }
}

fn whole(contigs: &[Contig]) -> Vec<Window<'_>> {
    contigs
        .iter()
        .map(|contig| Window {
            contig,
            range: 0..contig.bases.len(),
        })
        .collect()
}

/// Everyone's haplotypes in every window, from both programs on one file; how many there were.
fn compare(
    folder: &Path,
    windows: &[Window<'_>],
    our_options: &str,
    haplotype_suffix: &str,
    their_options: &str,
) -> usize {
    let mut bed = String::new();
    let mut slices = String::new();
    for window in windows {
        let Range { start, end } = window.range;
        writeln!(
            bed,
            "{}\t{start}\t{end}\t{}",
            window.contig.name,
            window.name()
        )
        .unwrap();
        write_fasta(
            &mut slices,
            &window.name(),
            &window.contig.bases[start..end],
        );
    }
    fs::write(folder.join("loci.bed"), bed).unwrap();
    fs::write(folder.join("slices.fa"), slices).unwrap();
    let ours = fasta(&succeed(
        folder,
        &format!(
            "sequences --vcf cohort.vcf.gz --reference reference.fa --regions-file loci.bed \
             {our_options}"
        ),
    ));
    let mut n_compared = 0;
    let mut wrong = Vec::new();
    for (person, name) in people().iter().enumerate() {
        for haplotype in [1, 2] {
            let arguments = format!(
                "consensus -f slices.fa -s {name} -H {haplotype}{haplotype_suffix} \
                 {their_options} cohort.vcf.gz"
            );
            let theirs = fasta(&String::from_utf8(bcftools(folder, &arguments)).unwrap());
            assert_eq!(theirs.len(), windows.len());
            for window in windows {
                let key = format!("{name} {} {haplotype}", window.name());
                let our = &ours[&key];
                let their = &theirs[&window.name()];
                if our != their {
                    wrong.push(difference(&key, our, their, window, person));
                }
                n_compared += 1;
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {n_compared} haplotypes differ from bcftools; the first:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(5)].join("\n")
    );
    n_compared
}

/// Where two haplotypes part, and the records that the person has there.
fn difference(key: &str, our: &str, their: &str, window: &Window<'_>, person: usize) -> String {
    let at = our
        .bytes()
        .zip(their.bytes())
        .take_while(|(a, b)| a == b)
        .count();
    let [our_part, their_part] =
        [our, their].map(|bases| &bases[at.saturating_sub(10)..(at + 25).min(bases.len())]);
    let mut text = format!(
        "{key}: base {} ({} and {} nt): {our_part}, bcftools {their_part}",
        at + 1,
        our.len(),
        their.len()
    );
    let place = window.range.start + at;
    for record in &window.contig.records {
        let near = record.position + 40 > place && record.position < place + 40;
        let genotype = &record.genotypes[person];
        if near && genotype.contains(|c: char| c != '0' && c != '|' && c != '/') {
            let Record {
                position,
                ref_allele,
                alt_alleles,
                ..
            } = record;
            write!(
                text,
                "\n    {position} {ref_allele} {} {genotype}",
                alt_alleles.join(",")
            )
            .unwrap();
        }
    }
    text
}

fn tell(what: &str, n_compared: usize, contigs: &[Contig]) {
    let n_records: usize = contigs.iter().map(|contig| contig.records.len()).sum();
    eprintln!("{what}: {n_compared} haplotypes, {n_records} records, all as bcftools has them");
}

#[test]
fn random_cohorts_in_the_order_of_the_file() {
    if bcftools_version().is_none() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let contigs = random_cohort(
        1,
        n_contigs(300),
        Shape {
            ties: true,
            unphased: true,
            filters: true,
            ..Shape::default()
        },
    );
    write_cohort(folder.path(), &contigs);
    let options = "--overlap bcftools --apply-filters all --unphased gt-order";
    tell(
        "order of the file",
        compare(folder.path(), &whole(&contigs), options, "", ""),
        &contigs,
    );
}

#[test]
fn random_cohorts_without_ties_in_any_order() {
    if bcftools_version().is_none() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let contigs = random_cohort(2, n_contigs(250), Shape::default());
    write_cohort(folder.path(), &contigs);
    let n_compared = compare(folder.path(), &whole(&contigs), "", "", "")
        + compare(
            folder.path(),
            &whole(&contigs),
            "--overlap bcftools",
            "",
            "",
        );
    tell("no ties, both rules for overlaps", n_compared, &contigs);
}

#[test]
fn windows_that_cut_through_alleles() {
    let Some(version) = bcftools_version() else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let contigs = random_cohort(3, n_contigs(100), Shape::default());
    write_cohort(folder.path(), &contigs);
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let mut n_left_out = 0;
    let mut windows = Vec::new();
    for contig in &contigs {
        let mut names = BTreeSet::new();
        // At the edges of records, and anywhere.
        for _ in 0..4 {
            let start = random_edge(&mut rng, contig);
            let end = if rng.random_bool(0.5) {
                random_edge(&mut rng, contig)
            } else {
                rng.random_range(0..LEN_NT)
            };
            let window = Window {
                contig,
                range: start..end,
            };
            let holds_a_record = contig
                .records
                .iter()
                .any(|record| (start + 1..=end).contains(&record.position));
            if start >= end || !holds_a_record || !names.insert(window.name()) {
                continue;
            }
            if contig
                .records
                .iter()
                .any(|record| differs_in_bcftools(record, start, end, version))
            {
                n_left_out += 1;
            } else {
                windows.push(window);
            }
        }
    }
    eprintln!(
        "{} windows, {n_left_out} left out for bcftools {version:?}",
        windows.len()
    );
    tell(
        "windows",
        compare(folder.path(), &windows, "", "", ""),
        &contigs,
    );
}

/// A 0-based position within or next to a random record.
fn random_edge(rng: &mut ChaCha8Rng, contig: &Contig) -> usize {
    let record = contig.records.choose(rng).unwrap();
    (record.position + rng.random_range(0..=record.ref_allele.len())).saturating_sub(1)
}

/// Whether bcftools gives other haplotypes of a window (0-based, half-open) because of a record at
/// its edge:
/// - before 1.20 it ignores records that begin before a window;
/// - 1.24 aborts where an ALT without an anchor also ends before the window;
/// - it cuts alleles as they are written, not the part that they change.
fn differs_in_bcftools(record: &Record, start: usize, end: usize, version: (u32, u32)) -> bool {
    let enters = record.position <= start && record.end() > start;
    let leaves = record.position <= end && record.end() > end;
    let first_of_ref = record.ref_allele.as_bytes()[0];
    let mut aborts = false;
    let mut is_untrimmed = false;
    for alt in &record.alt_alleles {
        let is_anchored = alt.as_bytes()[0] == first_of_ref;
        aborts |= !is_anchored && record.position + alt.len() <= start + 1;
        is_untrimmed |= is_anchored && alt.len() > 1;
    }
    enters && (version < (1, 20) || aborts) || (enters || leaves) && is_untrimmed
}

#[test]
fn missing_alleles_as_n() {
    if bcftools_version().is_none() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let contigs = random_cohort(
        5,
        n_contigs(50),
        Shape {
            missing_at_one_base: true,
            ..Shape::default()
        },
    );
    write_cohort(folder.path(), &contigs);
    tell(
        "missing as N",
        compare(folder.path(), &whole(&contigs), "--missing N", "", "-M N"),
        &contigs,
    );
}

#[test]
fn unphased_heterozygotes_as_iupac_codes() {
    if bcftools_version().is_none() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let contigs = random_cohort(
        6,
        n_contigs(50),
        Shape {
            iupac: true,
            ..Shape::default()
        },
    );
    write_cohort(folder.path(), &contigs);
    tell(
        "unphased as IUPAC",
        compare(
            folder.path(),
            &whole(&contigs),
            "--unphased iupac",
            "pIu",
            "",
        ),
        &contigs,
    );
}

#[test]
fn masked_bases() {
    if bcftools_version().is_none() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let contigs = random_cohort(
        7,
        n_contigs(50),
        Shape {
            no_stars: true,
            ..Shape::default()
        },
    );
    write_cohort(folder.path(), &contigs);
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let mut mask = String::new();
    for contig in &contigs {
        for _ in 0..10 {
            let start = rng.random_range(0..LEN_NT - 60);
            writeln!(
                mask,
                "{}\t{start}\t{}",
                contig.name,
                start + rng.random_range(1..=60)
            )
            .unwrap();
        }
    }
    fs::write(folder.path().join("mask.bed"), mask).unwrap();
    tell(
        "masked",
        compare(
            folder.path(),
            &whole(&contigs),
            "--mask mask.bed",
            "",
            "-m mask.bed",
        ),
        &contigs,
    );
}

// Real genomes

/// Haplotypes of `sample` in every slice of a FASTA, as bcftools gives them.
fn consensus(
    folder: &Path,
    slices: &str,
    vcf: &Path,
    sample: &str,
    haplotype: usize,
) -> BTreeMap<String, String> {
    let arguments = format!(
        "consensus -H {haplotype} -s {sample} -f {slices} {}",
        vcf.display()
    );
    fasta(&String::from_utf8(bcftools(folder, &arguments)).unwrap())
}

#[test]
fn a_window_of_33_kb_of_300_people() {
    let Some(RealGenomes { vcf, reference }) = RealGenomes::chr20_33_kb() else {
        return;
    };
    if bcftools_version().is_none() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let arguments = format!(
        "sequences --vcf {} --reference {} --regions 20:1497501-1530500",
        vcf.display(),
        reference.display()
    );
    let ours = fasta(&succeed(folder, &arguments));
    assert_eq!(ours.len(), 600);
    let samples =
        String::from_utf8(bcftools(folder, &format!("query -l {}", vcf.display()))).unwrap();
    for sample in samples.lines() {
        for haplotype in [1, 2] {
            let theirs = consensus(
                folder,
                &reference.display().to_string(),
                &vcf,
                sample,
                haplotype,
            );
            let ours = &ours[&format!("{sample} 20:1497501-1530500 {haplotype}")];
            assert!(
                theirs.values().eq([ours]),
                "{sample} haplotype {haplotype}: {} nt",
                ours.len()
            );
        }
    }
    eprintln!("win33k: 600 haplotypes, all as bcftools has them");
}

#[test]
fn fifty_random_loci_of_33_kb() {
    const N_LOCI: usize = 50;
    const LOCUS_NT: usize = 33_000;
    let (Some(vcf), Some(reference)) = (
        real_data("chr20/panel300.chr20_1-2Mb.grch37.vcf.gz"),
        real_data("chr20/chr20_1000001_2000000.grch37.fa"),
    ) else {
        return;
    };
    if bcftools_version().is_none() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let megabase = fasta(&fs::read_to_string(&reference).unwrap())
        .into_values()
        .next()
        .unwrap();
    assert_eq!(megabase.len(), 1_000_000);
    let mut rng = ChaCha8Rng::seed_from_u64(20);
    let mut bed = String::new();
    let mut slices = String::new();
    for _ in 0..N_LOCI {
        let start = rng.random_range(0..megabase.len() - LOCUS_NT);
        writeln!(
            bed,
            "20\t{}\t{}",
            1_000_000 + start,
            1_000_000 + start + LOCUS_NT
        )
        .unwrap();
        write_fasta(
            &mut slices,
            &format!("20:{}-{}", 1_000_001 + start, 1_000_000 + start + LOCUS_NT),
            &megabase[start..][..LOCUS_NT],
        );
    }
    fs::write(folder.join("loci.bed"), bed).unwrap();
    fs::write(folder.join("slices.fa"), slices).unwrap();
    let arguments = format!(
        "sequences --vcf {} --reference {} --regions-file loci.bed",
        vcf.display(),
        reference.display()
    );
    let ours = fasta(&succeed(folder, &arguments));
    assert_eq!(ours.len(), N_LOCI * 600);
    let mut n_compared = 0;
    for sample in [
        "HG00096", "HG00339", "HG02231", "HG00097", "HG00099", "HG00100",
    ] {
        for haplotype in [1, 2] {
            for (locus, theirs) in consensus(folder, "slices.fa", &vcf, sample, haplotype) {
                let ours = &ours[&format!("{sample} {locus} {haplotype}")];
                assert!(
                    *ours == theirs,
                    "{sample} {locus} haplotype {haplotype}: {} nt, bcftools has {}",
                    ours.len(),
                    theirs.len()
                );
                n_compared += 1;
            }
        }
    }
    assert_eq!(n_compared, N_LOCI * 12);
    eprintln!("panel300: {n_compared} haplotypes, all as bcftools has them");
}
