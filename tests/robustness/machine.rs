//! Conditions of the machine: a full disk, a read-only folder, an input that disappears or changes,
//! little memory, few or many threads; also cohorts of one sample, and of ten thousand loci. Each
//! gives the right result or one clear line, and no earlier result is lost.
//!
//! Input -> output: simulated cohorts -> the files of runs under such conditions, compared with
//! those of ordinary runs. Mounts need root and a mount namespace (`unshare -m`); without these the
//! tests are skipped with a message.

#![cfg(target_os = "linux")]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
    time::{Duration, SystemTime},
};

use crate::support::{
    command,
    compression::gunzipped,
    different_files, fasta, file_names, files, files_without_times,
    pipelines::{TINY_PIPELINE, data_table, folder_with_pipeline, tiny_pipeline_from_tokens},
    processes::{spawn_with_stderr, stderr_to_end, wait_for_checkpoint},
    refusal, refuse, run, stderr, succeed,
};
use gf_genotypes::{Error, VariantFile, VariantRecord};

fn folder() -> tempfile::TempDir {
    folder_with_pipeline(TINY_PIPELINE)
}

/// Runs lines of sh in `folder`, started by the command `wrapper`; `$GF` is the program.
fn shell(folder: &Path, wrapper: &[&str], lines: &str) -> Output {
    let mut words = wrapper.iter().copied().chain(["sh", "-ec", lines]);
    let mut command = Command::new(words.next().unwrap());
    command
        .args(words)
        .current_dir(folder)
        .env("GF", env!("CARGO_BIN_EXE_gf-genomics"))
        .output()
        .unwrap()
}

/// Like [`shell`], with mounts that end with the shell; `None`, with a message, where mounts are
/// not possible.
fn with_mounts(folder: &Path, lines: &str) -> Option<Output> {
    let trial = shell(
        folder,
        &["unshare", "-m"],
        "mkdir probe; mount -t tmpfs none probe",
    );
    let _ = fs::remove_dir(folder.join("probe"));
    if !trial.status.success() {
        eprintln!("SKIPPED: no mounts here ({})", stderr(&trial).trim_end());
        return None;
    }
    Some(shell(folder, &["unshare", "-m"], lines))
}

/// The message of a command that was refused.
fn refused_message(output: &Output) -> String {
    let text = stderr(output);
    let message = text
        .lines()
        .last()
        .and_then(|line| line.strip_prefix("error: "))
        .unwrap_or_default();
    assert!(
        output.status.code() == Some(1) && !message.is_empty() && !text.contains("panicked"),
        "{}: {text}",
        output.status
    );
    message.to_owned()
}

#[test]
fn a_full_disk_is_told_and_the_same_command_goes_on_when_there_is_room() {
    let folder = folder();
    succeed(folder.path(), "run pipeline.toml --out unbroken");
    // With these sizes the run stops in different stages; the report is by far the largest file.
    for size_kb in [0, 40, 100, 160, 300, 1_000] {
        let lines = format!(
            "mkdir out; mount -t tmpfs -o size={}k none out
            if $GF run pipeline.toml --out out 2> refused; then exit 9; fi
            mount -o remount,size=100m out
            if ls -a out out/* | grep '^.gf-genomics'; then exit 8; fi
            $GF run pipeline.toml --out out
            cp -a out kept",
            size_kb + 4
        );
        let Some(output) = with_mounts(folder.path(), &lines) else {
            return;
        };
        assert!(
            output.status.success(),
            "{size_kb} kB: {}: {}",
            output.status,
            stderr(&output)
        );
        let refused = fs::read_to_string(folder.path().join("refused")).unwrap();
        let last = refused.lines().last().unwrap();
        assert!(
            last.starts_with("error: ") && last.ends_with("No space left on device (os error 28)"),
            "{refused}"
        );
        assert!(
            files_without_times(&folder.path().join("kept"))
                == files_without_times(&folder.path().join("unbroken")),
            "{size_kb} kB"
        );
        fs::remove_dir_all(folder.path().join("kept")).unwrap();
        fs::remove_dir(folder.path().join("out")).unwrap();
    }
}

#[test]
fn a_full_disk_or_device_harms_no_earlier_result() {
    let folder = folder();
    let lines = "mkdir out; mount -t tmpfs -o size=300k none out
        $GF simulate --people 100 --len-nt 4000 --out out
        cp -a out before
        if $GF simulate --people 9000 --len-nt 30000 --out out --force 2> refused; then exit 9; fi
        cp -a out after";
    if let Some(output) = with_mounts(folder.path(), lines) {
        assert!(
            output.status.success(),
            "{}: {}",
            output.status,
            stderr(&output)
        );
        let refused = fs::read_to_string(folder.path().join("refused")).unwrap();
        assert!(
            refused.contains("error: out/cohort.vcf.gz: No space left on device")
                && refused.lines().count() == 1,
            "{refused}"
        );
        assert!(files(&folder.path().join("before")) == files(&folder.path().join("after")));
    }
    succeed(
        folder.path(),
        "simulate --people 100 --len-nt 4000 --out cohort",
    );
    let genomes =
        "--vcf cohort/cohort.vcf.gz --reference cohort/reference.fa --regions-file cohort/loci.bed";
    refuse(
        folder.path(),
        &format!("sequences {genomes} -o /dev/full"),
        &["/dev/full: No space left on device"],
    );
    let output = shell(
        folder.path(),
        &[],
        &format!("$GF sequences {genomes} > /dev/full"),
    );
    assert!(
        refused_message(&output).contains("No space left on device"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_read_only_folder_is_told_before_any_work() {
    let folder = folder();
    succeed(folder.path(), "run pipeline.toml --out out");
    let before = files(folder.path());
    let commands = [
        "run pipeline.toml --out out --seed 4",
        "train --additive none --tokens out/2-tokens --cohort out/0-cohort/cohort.csv --out \
         out/3-models/tiny",
        "simulate --out out/0-cohort",
        "simulate --out out/new",
    ];
    for arguments in commands {
        let lines =
            format!("mount --bind out out; mount -o remount,ro,bind out; exec $GF {arguments}");
        let Some(output) = with_mounts(folder.path(), &lines) else {
            return;
        };
        let message = refused_message(&output);
        assert!(
            message.starts_with("out") && message.ends_with("Read-only file system (os error 30)"),
            "{message}"
        );
        assert_eq!(stderr(&output).lines().count(), 1, "{}", stderr(&output));
    }
    assert!(files(folder.path()) == before);
}

/// A cohort in `own`, and a pipeline that trains on it for 40 epochs.
fn own_cohort() -> tempfile::TempDir {
    let pipeline = data_table("own/") + tiny_pipeline_from_tokens();
    let folder =
        folder_with_pipeline(&pipeline.replace("epochs = 2", "epochs = 40\npatience = 40"));
    succeed(
        folder.path(),
        "simulate --people 150 --len-nt 4000 --out own",
    );
    folder
}

#[test]
fn an_input_that_changes_or_vanishes_in_the_middle_of_a_run_is_named() {
    let folder = own_cohort();
    let cohort = folder.path().join("own/cohort.csv");
    let text = fs::read_to_string(&cohort).unwrap();
    let changed = text.replacen("case", "control", 1);
    let reason = "own/cohort.csv: the file was changed during the run, so its results are \
                  discarded; run the same command again";
    for (name, changed_to, expected) in [
        ("touched", Some(&text), None),
        ("changed", Some(&changed), Some(reason)),
        (
            "vanished",
            None,
            Some("own/cohort.csv: No such file or directory (os error 2)"),
        ),
    ] {
        fs::write(&cohort, &text).unwrap();
        let out = folder.path().join(name);
        let arguments = format!("run pipeline.toml --out {name}");
        let mut child = spawn_with_stderr(folder.path(), &arguments);
        wait_for_checkpoint(
            &out.join("3-models/tiny/checkpoint.safetensors"),
            &mut child,
        );
        match changed_to {
            Some(changed_text) => fs::write(&cohort, changed_text).unwrap(),
            None => fs::remove_file(&cohort).unwrap(),
        }
        let log = stderr_to_end(&mut child);
        let status = child.wait().unwrap();
        let Some(expected) = expected else {
            assert!(status.success(), "{log}");
            continue;
        };
        assert_eq!(status.code(), Some(1), "{log}");
        let error = format!("error: 3-models/tiny: {expected}");
        assert_eq!(log.lines().last(), Some(error.as_str()), "{log}");
        assert!(!out.join("3-models/tiny/stage.json").exists());
        if changed_to.is_some() {
            succeed(folder.path(), &arguments);
            succeed(folder.path(), "run pipeline.toml --out fresh");
            assert!(
                files_without_times(&out) == files_without_times(&folder.path().join("fresh")),
                "the changed file was not read again"
            );
        }
    }
}

#[test]
fn a_vcf_that_is_written_to_while_it_is_read_is_an_error() {
    let folder = folder();
    succeed(
        folder.path(),
        "simulate --people 20 --len-nt 3000 --risk null --out own",
    );
    let path = folder.path().join("own/cohort.vcf.gz");
    let bytes = fs::read(&path).unwrap();
    assert!(n_records_while_written_to(&path, None).unwrap() > 0);
    let expected = format!(
        "{}: the file was changed while it was read; run again when no program writes to it",
        path.display()
    );
    assert_eq!(
        n_records_while_written_to(&path, Some(&bytes)).unwrap_err(),
        expected
    );
    let half = &bytes[..bytes.len() / 2];
    assert!(
        n_records_while_written_to(&path, Some(half))
            .unwrap_err()
            .contains("cohort.vcf.gz: ")
    );
}

/// Opens a VCF, writes these bytes to it, and reads its records; how many there are.
fn n_records_while_written_to(path: &Path, bytes: Option<&[u8]>) -> Result<usize, String> {
    let mut file = VariantFile::open(path).unwrap();
    if let Some(bytes) = bytes {
        fs::write(path, bytes).unwrap();
    }
    let mut n_records = 0;
    let read = file.for_each(None, |_: &VariantRecord| {
        n_records += 1;
        Ok::<(), Error>(())
    });
    read.map(|_| n_records).map_err(|error| error.to_string())
}

#[test]
fn no_clock_decides_anything() {
    let folder = own_cohort();
    succeed(folder.path(), "run pipeline.toml --out out");
    let before = files_without_times(&folder.path().join("out"));
    // Years since 1970: results older than their inputs, all in the future, all in 1970.
    for (year_of_inputs, year_of_results) in [(60, 1), (100, 100), (0, 0)] {
        for path in file_names(folder.path()) {
            let year = if path.starts_with("out") {
                year_of_results
            } else {
                year_of_inputs
            };
            let since_1970 = Duration::from_secs(year * 365 * 86_400);
            fs::File::options()
                .append(true)
                .open(folder.path().join(path))
                .unwrap()
                .set_modified(SystemTime::UNIX_EPOCH + since_1970)
                .unwrap();
        }
        let output = run(folder.path(), "run pipeline.toml --out out");
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(
            stderr(&output)
                .lines()
                .filter(|line| line.contains(": already done ("))
                .count(),
            5,
            "{}",
            stderr(&output)
        );
        assert!(files_without_times(&folder.path().join("out")) == before);
    }
}

#[test]
fn with_1_gb_of_memory_the_result_is_the_same_or_refused_in_a_line() {
    let folder = folder();
    succeed(folder.path(), "run pipeline.toml --out out");
    let output = shell(
        folder.path(),
        &[],
        "ulimit -v 1000000; exec $GF run pipeline.toml --out limited --threads 2",
    );
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        files_without_times(&folder.path().join("limited"))
            == files_without_times(&folder.path().join("out"))
    );
    let train = "exec $GF train --additive none --tokens out/2-tokens --cohort \
                 out/0-cohort/cohort.csv --threads 2 --out model";
    let output = shell(
        folder.path(),
        &[],
        &format!("ulimit -v 1000000; {train} --hidden 2048 --feed-forward 8192 --layers 4"),
    );
    let message = refused_message(&output);
    assert!(
        message.contains("training needs about") && message.contains("GB are free"),
        "{message}"
    );
    succeed(
        folder.path(),
        "simulate --people 2000 --len-nt 500000 --variants 12000 --risk null --out large",
    );
    let prs =
        "exec $GF prs --vcf large/cohort.vcf.gz --cohort large/cohort.csv --threads 2 --out prs";
    let output = shell(folder.path(), &[], &format!("ulimit -v 500000; {prs}"));
    let message = refused_message(&output);
    assert!(
        message.contains("dosages of 1600 samples need about 0.")
            && message.contains("GB are free"),
        "{message}"
    );
    // More threads than fit are refused, not a panic.
    let output = shell(
        folder.path(),
        &[],
        "ulimit -v 1000000; exec $GF run pipeline.toml --out many --threads 5000",
    );
    assert!(
        refused_message(&output)
            .starts_with("the threads cannot be started; use fewer (--threads)"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn one_thread_and_64_give_the_same_bytes() {
    let folder = folder();
    let [one, many] = ["1", "64"].map(|n| {
        let output = command(folder.path(), &format!("run pipeline.toml --out {n}"))
            .env("RAYON_NUM_THREADS", n)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        files_without_times(&folder.path().join(n))
    });
    let different = different_files(&one, &many);
    assert!(different.is_empty(), "{different:?}");
}

#[test]
fn one_person_is_read_and_scored_as_in_the_cohort_and_no_cohort_to_learn_from() {
    let folder = folder();
    succeed(folder.path(), "run pipeline.toml --out out");
    let vcf = third_sample(&gunzipped(
        &folder.path().join("out/0-cohort/cohort.vcf.gz"),
    ));
    fs::write(folder.path().join("one.vcf"), &vcf).unwrap();
    let header = vcf.lines().find(|line| line.starts_with("#CHROM")).unwrap();
    let sample = header.rsplit('\t').next().unwrap();
    let genomes = "--reference out/0-cohort/reference.fa";
    let model = "--model out/3-models/tiny --cohort out/0-cohort/cohort.csv";
    let of_all = succeed(
        folder.path(),
        &format!("score --vcf out/0-cohort/cohort.vcf.gz {genomes} {model}"),
    );
    let table = fs::read_to_string(folder.path().join("out/0-cohort/cohort.csv")).unwrap();
    fs::write(
        folder.path().join("one.csv"),
        format!(
            "{}\n{}\n",
            table.lines().next().unwrap(),
            rows_of_sample(&table, sample)[0]
        ),
    )
    .unwrap();
    let of_one = succeed(
        folder.path(),
        &format!("score --vcf one.vcf {genomes} --model out/3-models/tiny --cohort one.csv"),
    );
    assert_eq!(of_one.lines().count(), 2);
    assert_eq!(
        rows_of_sample(&of_one, sample),
        rows_of_sample(&of_all, sample)
    );
    let sequences = succeed(
        folder.path(),
        &format!("sequences --vcf one.vcf {genomes} --regions-file out/0-cohort/loci.bed"),
    );
    assert_eq!(fasta(&sequences).len(), 2);
    // No model can be fitted to one sample.
    let tokens = "--tokens out/2-tokens --cohort one.csv";
    refusal(
        folder.path(),
        &format!("train {tokens} --out model"),
        &["one.csv"],
    );
    refusal(
        folder.path(),
        "prs --vcf one.vcf --cohort one.csv --out prs",
        &[""],
    );
    refusal(
        folder.path(),
        "simulate --people 1 --len-nt 4000 --out one",
        &["1 sample"],
    );
}

/// A VCF with only its third sample: columns 1 to 9, and 12.
fn third_sample(vcf: &str) -> String {
    let mut text = String::new();
    for line in vcf.lines() {
        if line.starts_with("##") {
            text.push_str(line);
        } else {
            let cells: Vec<&str> = line.split('\t').collect();
            text.push_str(&[&cells[..9], &cells[11..12]].concat().join("\t"));
        }
        text.push('\n');
    }
    text
}

/// Rows of a CSV whose first column is this sample.
fn rows_of_sample<'t>(table: &'t str, sample: &str) -> Vec<&'t str> {
    table
        .lines()
        .filter(|line| line.starts_with(&format!("{sample},")))
        .collect()
}

#[test]
fn ten_thousand_loci_are_read_as_one_by_one() {
    let folder = folder();
    succeed(
        folder.path(),
        "simulate --people 20 --len-nt 400000 --variants 12000 --risk null --out own",
    );
    let vcf = gunzipped(&folder.path().join("own/cohort.vcf.gz"));
    // A locus of 30 nt around each variant.
    let mut loci = Vec::new();
    for record in vcf
        .lines()
        .filter(|line| !line.starts_with('#'))
        .take(10_000)
    {
        let position: usize = record.split('\t').nth(1).unwrap().parse().unwrap();
        let start0 = position.saturating_sub(16);
        let end0 = (position + 14).min(400_000);
        loci.push(format!("simulated\t{start0}\t{end0}\tL{}", loci.len()));
    }
    assert_eq!(loci.len(), 10_000);
    let few: Vec<&str> = loci.iter().step_by(1_999).map(String::as_str).collect();
    fs::write(folder.path().join("many.bed"), loci.join("\n") + "\n").unwrap();
    fs::write(folder.path().join("few.bed"), few.join("\n") + "\n").unwrap();
    let genomes = "--vcf own/cohort.vcf.gz --reference own/reference.fa";
    let [many, few] = ["many.bed", "few.bed"].map(|bed| {
        let arguments = format!("sequences {genomes} --regions-file {bed}");
        fasta(&succeed(folder.path(), &arguments))
    });
    assert_eq!(many.len(), 400_000);
    assert_eq!(few.len(), 240);
    assert!(
        few.iter()
            .all(|(name, bases)| many.get(name) == Some(bases))
    );
    succeed(
        folder.path(),
        &format!(
            "tokenize {genomes} --regions-file many.bed --cohort own/cohort.csv --tokenizer \
             nucleotide --out tokens"
        ),
    );
}
