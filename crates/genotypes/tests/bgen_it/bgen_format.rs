//! What a writer with other code wrote is read: every number of bits, phased and unphased, ploidies
//! 0 to 4, one to four alleles, missing samples, each compression, subsets of samples.

use std::fs;

use gf_genotypes::{
    ABSENT, MISSING,
    bgen::{BgenFile, BgenProblem, BgenRecord},
};
use proptest::prelude::*;

use super::support::{
    Read, read_all, read_path,
    writer::{self, NONE, Sample, Variant, ZLIB, ZSTD},
};

const ONE_8: u32 = 255;

fn sample(ploidy: u8, values: &[u32]) -> Sample {
    Sample {
        ploidy,
        missing: false,
        values: values.to_vec(),
    }
}

fn missing(ploidy: u8, n_values: usize) -> Sample {
    Sample {
        ploidy,
        missing: true,
        values: vec![0; n_values],
    }
}

/// All genotypes of this ploidy, in colexicographic order, by sorting.
fn genotypes(ploidy: usize, n_alleles: usize) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for _ in 0..ploidy {
        all = all
            .iter()
            .flat_map(|shorter: &Vec<usize>| {
                let smallest = shorter.last().copied().unwrap_or(0);
                (smallest..n_alleles).map(move |allele| [shorter.as_slice(), &[allele]].concat())
            })
            .collect();
    }
    all.sort_by_key(|genotype| genotype.iter().rev().copied().collect::<Vec<_>>());
    all
}

/// The distributions of a sample with the values that are left out.
fn distributions(variant: &Variant, sample: &Sample) -> Vec<Vec<u64>> {
    let one = (1_u64 << variant.bits) - 1;
    let n_alleles = variant.alleles.len();
    let ploidy = usize::from(sample.ploidy);
    let (n_distributions, len) = if variant.phased {
        (ploidy, n_alleles)
    } else {
        (1, genotypes(ploidy, n_alleles).len())
    };
    let mut values = sample.values.iter().map(|&value| u64::from(value));
    (0..n_distributions)
        .map(|_| {
            let mut all: Vec<u64> = values.by_ref().take(len - 1).collect();
            all.push(one - all.iter().sum::<u64>());
            all
        })
        .collect()
}

/// Dosages and, for ploidies 1 and 2, the call, from the definitions.
fn expected(variant: &Variant, sample: &Sample, threshold: f64) -> (Vec<f64>, [i16; 2], usize) {
    let n_alleles = variant.alleles.len();
    let absent_second = if sample.ploidy <= 1 { ABSENT } else { MISSING };
    if sample.missing {
        return (vec![f64::NAN; n_alleles], [MISSING, absent_second], 0);
    }
    let one = ((1_u64 << variant.bits) - 1) as f64;
    let mut dosages = vec![0.0; n_alleles];
    let mut call = [MISSING, absent_second];
    let mut uncalled = 0;
    let outcomes: Vec<Vec<usize>> = if variant.phased {
        genotypes(1, n_alleles)
    } else {
        genotypes(usize::from(sample.ploidy), n_alleles)
    };
    for (haplotype, distribution) in distributions(variant, sample).iter().enumerate() {
        let mut is_called = false;
        for (outcome, &value) in outcomes.iter().zip(distribution) {
            let probability = value as f64 / one;
            for &allele in outcome {
                dosages[allele] += probability;
            }
            if probability >= threshold {
                is_called = true;
                for (copy, &allele) in outcome.iter().enumerate() {
                    if haplotype + copy < 2 {
                        call[haplotype + copy] = allele as i16;
                    }
                }
            }
        }
        uncalled += usize::from(!is_called);
    }
    (dosages, call, uncalled)
}

fn check(variant: &Variant, read: &Read, selection: &[usize], threshold: f64) {
    assert_eq!(read.alleles, variant.alleles);
    assert_eq!((&read.id, &read.rsid), (&variant.id, &variant.rsid));
    assert_eq!(
        (&read.contig, read.position),
        (&variant.contig, variant.position)
    );
    assert_eq!(read.phased, variant.phased);
    let mut uncalled = 0;
    let mut all_supported = true;
    for (index, &number) in selection.iter().enumerate() {
        let sample = &variant.samples[number];
        all_supported &= sample.ploidy <= 2;
        uncalled += check_sample(variant, sample, read, index, threshold);
    }
    assert_eq!(read.calls.is_some(), all_supported);
    if all_supported {
        assert_eq!(read.uncalled, uncalled);
    }
}

/// Compares one sample, and returns how many of its haplotypes or genotypes have no call.
fn check_sample(
    variant: &Variant,
    sample: &Sample,
    read: &Read,
    index: usize,
    threshold: f64,
) -> usize {
    assert_eq!(read.ploidies[index], sample.ploidy);
    assert_eq!(read.missing[index], sample.missing);
    let (dosages, call, uncalled) = expected(variant, sample, threshold);
    if let Some(calls) = &read.calls {
        assert_eq!(calls[index], call, "{variant:?} {sample:?}");
    }
    for (allele, expected) in dosages.iter().enumerate() {
        let found = f64::from(f32::from_bits(read.dosages[index * dosages.len() + allele]));
        let is_same = (found - expected).abs() < 1e-5 || (found.is_nan() && expected.is_nan());
        assert!(is_same, "{found} {expected} {variant:?}");
    }
    let stored = read.probabilities[index].iter();
    let stored: Vec<u64> = stored.map(|&value| value.into()).collect();
    let all = distributions(variant, sample).concat();
    assert_eq!(stored, if sample.missing { Vec::new() } else { all });
    uncalled
}

/// Stored values of one distribution of `len` values, from random weights; often certain.
fn distribution(len: usize, one: u64, weights: &[u16]) -> Vec<u32> {
    let certain = usize::from(weights[0]) % len;
    if weights[1].is_multiple_of(2) {
        let values = (0..len - 1).map(|value| if value == certain { one as u32 } else { 0 });
        return values.collect();
    }
    let total: u64 = weights[..len]
        .iter()
        .map(|&weight| u64::from(weight) + 1)
        .sum();
    weights[..len - 1]
        .iter()
        .map(|&weight| ((u64::from(weight) + 1) as f64 / total as f64 * one as f64) as u32)
        .collect()
}

prop_compose! {
    fn any_variant(n_samples: usize, max_ploidy: u8)(
        n_alleles in prop_oneof![3 => Just(2_usize), 1 => 1..=4_usize],
        phased: bool,
        bits in prop_oneof![Just(8_u8), Just(16), 1..=32_u8],
        position in 1_u32..1_000_000,
        only_diploid: bool,
        seeds in prop::collection::vec(
            (0..=max_ploidy, 0..10_u8, prop::collection::vec(any::<u16>(), 40)),
            n_samples,
        ),
    ) -> Variant {
        let one = (1_u64 << bits) - 1;
        let samples = seeds.iter().map(|(ploidy, missing, weights)| {
            let ploidy = if only_diploid { 2 } else { *ploidy };
            let mut values = Vec::new();
            if phased {
                for haplotype in 0..usize::from(ploidy) {
                    values.extend(distribution(n_alleles, one, &weights[haplotype..]));
                }
            } else {
                let len = genotypes(usize::from(ploidy), n_alleles).len();
                values.extend(distribution(len, one, weights));
            }
            let missing = *missing == 0;
            if missing {
                values.fill(0);
            }
            Sample { ploidy, missing, values }
        });
        let mut variant = Variant::new(position, n_alleles, samples.collect());
        variant.phased = phased;
        variant.bits = bits;
        variant
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_was_written_is_read(
        variants in prop::collection::vec(any_variant(13, 4), 1..5),
        compression in prop_oneof![Just(NONE), Just(ZLIB), Just(ZSTD)],
        threshold in prop_oneof![Just(0.9), 0.501..1.0],
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.bgen");
        writer::write(&path, compression, &variants);
        let mut file = BgenFile::open(&path).unwrap();
        file.set_call_threshold(threshold).unwrap();
        let everybody: Vec<usize> = (0..13).collect();
        for (variant, read) in variants.iter().zip(read_all(&file).unwrap()) {
            check(variant, &read, &everybody, threshold);
        }
        let some = [12, 0, 7, 3];
        file.select(&some).unwrap();
        for (variant, read) in variants.iter().zip(read_all(&file).unwrap()) {
            check(variant, &read, &some, threshold);
        }
        file.select_all();
        prop_assert_eq!(read_all(&file).unwrap().len(), variants.len());
    }

    #[test]
    fn haploids_and_diploids_have_calls(
        variant in any_variant(9, 2).prop_map(|mut variant| {
            let all_bits = (1_u64 << variant.bits) - 1;
            let n_alleles = variant.alleles.len();
            for sample in &mut variant.samples {
                if sample.ploidy == 0 {
                    sample.ploidy = 1;
                    sample.values = distribution(n_alleles, all_bits, &[1, 2, 3, 4]);
                }
            }
            variant
        }),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.bgen");
        writer::write(&path, ZLIB, std::slice::from_ref(&variant));
        let reads = read_path(&path).unwrap();
        prop_assert!(reads[0].calls.is_some());
        let everybody: Vec<usize> = (0..9).collect();
        check(&variant, &reads[0], &everybody, 0.9);
    }
}

#[test]
fn calls_need_the_threshold() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.bgen");
    let mut phased = Variant::new(
        1,
        2,
        vec![sample(2, &[230, 25]), sample(2, &[229, 26]), missing(2, 2)],
    );
    phased.phased = true;
    let unphased = Variant::new(
        2,
        2,
        vec![
            sample(2, &[0, 230]),
            sample(2, &[20, 5]),
            sample(2, &[60, 60]),
        ],
    );
    let haploid = Variant::new(
        3,
        2,
        vec![sample(1, &[255]), sample(1, &[128]), missing(1, 1)],
    );
    writer::write(&path, ZLIB, &[phased, unphased, haploid]);
    let reads = read_path(&path).unwrap();
    assert_eq!(reads[0].calls, Some(vec![[0, 1], [-1, -1], [-1, -1]]));
    assert_eq!(reads[0].uncalled, 2);
    assert_eq!(reads[1].calls, Some(vec![[0, 1], [1, 1], [-1, -1]]));
    assert_eq!(reads[1].uncalled, 1);
    assert_eq!(reads[2].calls, Some(vec![[0, -2], [-1, -2], [-1, -2]]));
    assert_eq!(reads[2].uncalled, 1);

    let mut file = BgenFile::open(&path).unwrap();
    file.set_call_threshold(0.8).unwrap();
    let reads = read_all(&file).unwrap();
    assert_eq!(reads[0].calls, Some(vec![[0, 1], [0, 1], [-1, -1]]));
    for threshold in [0.5, 1.1, f64::NAN] {
        let error = file.set_call_threshold(threshold).unwrap_err();
        assert!(matches!(error.problem, BgenProblem::Threshold { .. }));
    }
}

#[test]
fn other_ploidies_have_dosages_but_no_calls() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.bgen");
    let triploid = Variant::new(1, 2, vec![sample(2, &[0, 0]), sample(3, &[0, ONE_8, 0])]);
    writer::write(&path, NONE, &[triploid]);
    let mut file = BgenFile::open(&path).unwrap();
    let variants = file.variants().unwrap();
    let mut record = BgenRecord::new();
    file.read(&variants, 0, &mut record).unwrap();
    assert_eq!(record.dosages(), [0.0, 2.0, 2.0, 1.0]);
    let message = record.calls().unwrap_err().to_string();
    assert!(
        message.contains("variant 1 at byte 24: sample 2 has ploidy 3"),
        "{message}"
    );
    file.select(&[0]).unwrap();
    file.read(&variants, 0, &mut record).unwrap();
    assert_eq!(record.calls().unwrap(), [[1, 1]]);
    assert_eq!(record.probabilities(0), [0.0, 0.0, 1.0]);
}

#[test]
fn samples_are_selected_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.bgen");
    writer::write(
        &path,
        ZLIB,
        &[Variant::new(1, 2, vec![sample(2, &[0, 0]); 3])],
    );
    let mut file = BgenFile::open(&path).unwrap();
    let error = file.select(&[0, 3]).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("no sample number 4; the file has 3")
    );
    let error = file.select(&[2, 2]).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("sample number 3 is selected twice")
    );
    let variants = file.variants().unwrap();
    let error = file.read(&variants, 1, &mut BgenRecord::new()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("no variant number 2; the file has 1")
    );
}

#[test]
fn a_variant_may_have_no_contig() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.bgen");
    let mut variant = Variant::new(7, 1, vec![sample(2, &[])]);
    variant.contig.clear();
    variant.id.clear();
    writer::write(&path, ZSTD, &[variant]);
    let file = BgenFile::open(&path).unwrap();
    let variants = file.variants().unwrap();
    let listed = variants.get(0).unwrap();
    assert_eq!(
        (listed.contig, listed.id, listed.position),
        ("", Some(""), 7)
    );
    assert_eq!(listed.n_alleles(), 1);
    let reads = read_all(&file).unwrap();
    assert_eq!(reads[0].calls, Some(vec![[0, 0]]));
}

#[test]
fn an_empty_file_has_no_variants() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.bgen");
    fs::write(&path, writer::header(0, 2, writer::layout_2(ZLIB), None)).unwrap();
    let file = BgenFile::open(&path).unwrap();
    assert_eq!(file.samples(), ["sample_1", "sample_2"]);
    assert!(file.variants().unwrap().is_empty());
}

#[test]
fn threads_read_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.bgen");
    let variants = (0..64).map(|number| {
        let samples = vec![
            sample(2, &[number, ONE_8 - number]),
            sample(2, &[0, number]),
        ];
        Variant::new(number + 1, 2, samples)
    });
    writer::write(&path, ZLIB, &variants.collect::<Vec<_>>());
    let expected = read_path(&path).unwrap();
    let file = BgenFile::open(&path).unwrap();
    let variants = file.variants().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let expected = &expected;
            let variants = &variants;
            let file = &file;
            scope.spawn(move || {
                let mut record = BgenRecord::new();
                for step in 0..variants.len() {
                    let index = (step * 13 + thread) % variants.len();
                    file.read(variants, index, &mut record).unwrap();
                    assert_eq!(Read::of(&record), expected[index]);
                }
            });
        }
    });
}
