//! What machines do to a run: a full disk, a read-only folder, an input that vanishes or changes,
//! little memory, few threads or many; and cohorts of one person, and of ten thousand loci. The
//! right result or one clear line, and nothing that was there is lost.
//!
//! Input -> output: simulated cohorts -> the files of runs under such conditions, compared with
//! those of runs without. Mounts need root and a mount namespace of their own (`unshare -m`); where
//! there is none, those tests are skipped aloud.

#![cfg(target_os = "linux")]

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread::sleep,
    time::{Duration, Instant, SystemTime},
};

use crate::support::{
    TINY_PIPELINE, command, files, files_without_times, refusal, refuse, run, stderr, succeed,
};
use gf_genotypes::{Error, VariantFile, VariantRecord};

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("pipeline.toml"), TINY_PIPELINE).unwrap();
    folder
}

/// Runs lines of sh in `folder`, the program being `$GF`.
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

/// As [`shell`], with mounts of its own that go with it; `None`, and a word about it, where that is
/// not possible.
fn with_mounts(folder: &Path, lines: &str) -> Option<Output> {
    let possible = shell(
        folder,
        &["unshare", "-m"],
        "mkdir probe; mount -t tmpfs none probe",
    );
    let _ = fs::remove_dir(folder.join("probe"));
    if !possible.status.success() {
        eprintln!("SKIPPED: no mounts here ({})", stderr(&possible).trim_end());
        return None;
    }
    Some(shell(folder, &["unshare", "-m"], lines))
}

/// The one line of a command that was refused.
fn line(output: &Output) -> String {
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
    // With so much room (the page of the report is the largest file by far) it stops here and there
    // on the way.
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
        line(&output).contains("No space left on device"),
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
        let message = line(&output);
        assert!(
            message.starts_with("out") && message.ends_with("Read-only file system (os error 30)"),
            "{message}"
        );
        assert_eq!(stderr(&output).lines().count(), 1, "{}", stderr(&output));
    }
    assert!(files(folder.path()) == before);
}

/// A user's own files and a pipeline that trains on them for a while.
fn own_cohort() -> tempfile::TempDir {
    let folder = folder();
    succeed(
        folder.path(),
        "simulate --people 150 --len-nt 4000 --out own",
    );
    let (_, rest) = TINY_PIPELINE.split_once("[tokens]").unwrap();
    let data = "[data]\nvcf = [\"own/cohort.vcf.gz\"]\nreference = \
                \"own/reference.fa\"\nregions_file = \"own/loci.bed\"\n";
    let text = format!("{data}cohort = \"own/cohort.csv\"\n[tokens]{rest}")
        .replace("epochs = 2", "epochs = 40\npatience = 40");
    fs::write(folder.path().join("pipeline.toml"), text).unwrap();
    folder
}

#[test]
fn an_input_that_changes_or_vanishes_in_the_middle_of_a_run_is_named() {
    let folder = own_cohort();
    let cohort = folder.path().join("own/cohort.csv");
    let text = fs::read_to_string(&cohort).unwrap();
    let changed = text.replacen("case", "control", 1);
    let reason = "own/cohort.csv: the file was changed during the run; what was made of it is not \
                  kept, run again";
    for (name, now, expected) in [
        ("touched", Some(&text), None),
        ("changed", Some(&changed), Some(reason)),
        (
            "vanished",
            None,
            Some("own/cohort.csv: No such file or directory (os error 2)"),
        ),
    ] {
        fs::write(&cohort, &text).unwrap();
        let mut child = command(folder.path(), &format!("run pipeline.toml --out {name}"));
        let mut child = child
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let started = Instant::now();
        while !folder
            .path()
            .join(name)
            .join("3-models/tiny/checkpoint.safetensors")
            .exists()
        {
            assert!(
                started.elapsed() < Duration::from_secs(60) && child.try_wait().unwrap().is_none(),
                "no checkpoint was written"
            );
            sleep(Duration::from_millis(1));
        }
        match now {
            Some(now) => fs::write(&cohort, now).unwrap(),
            None => fs::remove_file(&cohort).unwrap(),
        }
        let mut log = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut log)
            .unwrap();
        let status = child.wait().unwrap();
        let Some(expected) = expected else {
            assert!(status.success(), "{log}");
            continue;
        };
        assert_eq!(
            (status.code(), log.lines().last()),
            (Some(1), Some(&*format!("error: 3-models/tiny: {expected}"))),
            "{log}"
        );
        assert!(
            !folder
                .path()
                .join(name)
                .join("3-models/tiny/stage.json")
                .exists()
        );
        if now.is_some() {
            succeed(folder.path(), &format!("run pipeline.toml --out {name}"));
            succeed(folder.path(), "run pipeline.toml --out fresh");
            assert!(
                files_without_times(&folder.path().join(name))
                    == files_without_times(&folder.path().join("fresh")),
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
    let read = |meanwhile: &dyn Fn()| {
        let mut file = VariantFile::open(&path).unwrap();
        meanwhile();
        let mut n_records = 0;
        let count = |_: &VariantRecord| -> Result<(), Error> {
            n_records += 1;
            Ok(())
        };
        file.for_each(None, count)
            .map(|_| n_records)
            .map_err(|error| error.to_string())
    };
    assert!(read(&|| ()).unwrap() > 0);
    let bytes = fs::read(&path).unwrap();
    let expected = format!(
        "{}: the file was changed while it was read: run again when nobody writes to it",
        path.display()
    );
    assert_eq!(
        read(&|| fs::write(&path, &bytes).unwrap()).unwrap_err(),
        expected
    );
    assert!(
        read(&|| fs::write(&path, &bytes[..bytes.len() / 2]).unwrap())
            .unwrap_err()
            .contains("cohort.vcf.gz: ")
    );
}

#[test]
fn no_clock_decides_anything() {
    let folder = own_cohort();
    succeed(folder.path(), "run pipeline.toml --out out");
    let before = files_without_times(&folder.path().join("out"));
    // Results older than their inputs, all from a time to come, all from 1970.
    let year = |years: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(years * 365 * 86_400);
    for (of_inputs, of_results) in [(60, 1), (100, 100), (0, 0)] {
        for path in files(folder.path()).into_keys() {
            let time = if path.starts_with("out") {
                of_results
            } else {
                of_inputs
            };
            fs::File::options()
                .append(true)
                .open(folder.path().join(path))
                .unwrap()
                .set_modified(year(time))
                .unwrap();
        }
        let output = run(folder.path(), "run pipeline.toml --out out");
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(
            stderr(&output)
                .lines()
                .filter(|line| line.contains(": done before ("))
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
    let message = line(&output);
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
    let message = line(&output);
    assert!(
        message.contains("dosages of 1600 people need about 0.") && message.contains("GB are free"),
        "{message}"
    );
    // More threads than fit are refused, not a panic.
    let output = shell(
        folder.path(),
        &[],
        "ulimit -v 1000000; exec $GF run pipeline.toml --out many --threads 5000",
    );
    assert!(
        line(&output).starts_with("the threads cannot be started; use fewer (--threads)"),
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
    let different: Vec<&PathBuf> = one
        .iter()
        .filter(|(path, bytes)| many.get(*path) != Some(bytes))
        .map(|(path, _)| path)
        .collect();
    assert!(
        different.is_empty() && one.len() == many.len(),
        "{different:?}"
    );
}

#[test]
fn one_person_is_read_and_scored_as_in_the_cohort_and_no_cohort_to_learn_from() {
    let folder = folder();
    succeed(folder.path(), "run pipeline.toml --out out");
    let vcf = text_of(&folder.path().join("out/0-cohort/cohort.vcf.gz"));
    // The third person's column alone.
    let columns = |line: &str| {
        let cells: Vec<&str> = line.split('\t').collect();
        [&cells[..9], &cells[11..12]].concat().join("\t")
    };
    let one: Vec<String> = vcf
        .lines()
        .map(|line| {
            if line.starts_with("##") {
                line.to_owned()
            } else {
                columns(line)
            }
        })
        .collect();
    fs::write(folder.path().join("one.vcf"), one.join("\n") + "\n").unwrap();
    let header = one.iter().find(|line| line.starts_with("#CHROM")).unwrap();
    let person = header.rsplit('\t').next().unwrap();
    let genomes = "--reference out/0-cohort/reference.fa";
    let model = "--model out/3-models/tiny --cohort out/0-cohort/cohort.csv";
    let of_all = succeed(
        folder.path(),
        &format!("score --vcf out/0-cohort/cohort.vcf.gz {genomes} {model}"),
    );
    let table = fs::read_to_string(folder.path().join("out/0-cohort/cohort.csv")).unwrap();
    let row = |table: &str| {
        table
            .lines()
            .filter(|line| line.starts_with(&format!("{person},")))
            .map(String::from)
            .collect::<Vec<_>>()
    };
    fs::write(
        folder.path().join("one.csv"),
        format!("{}\n{}\n", table.lines().next().unwrap(), row(&table)[0]),
    )
    .unwrap();
    let of_one = succeed(
        folder.path(),
        &format!("score --vcf one.vcf {genomes} --model out/3-models/tiny --cohort one.csv"),
    );
    assert_eq!(of_one.lines().count(), 2);
    assert_eq!(row(&of_one), row(&of_all));
    let fasta = succeed(
        folder.path(),
        &format!("sequences --vcf one.vcf {genomes} --regions-file out/0-cohort/loci.bed"),
    );
    assert_eq!(crate::support::fasta(&fasta).len(), 2);
    // Nothing can be learnt from one person.
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
        &["1 person"],
    );
}

fn text_of(path: &Path) -> String {
    let mut text = String::new();
    noodles::bgzf::io::Reader::new(fs::File::open(path).unwrap())
        .read_to_string(&mut text)
        .unwrap();
    text
}

#[test]
fn ten_thousand_loci_are_read_as_one_by_one() {
    let folder = folder();
    succeed(
        folder.path(),
        "simulate --people 20 --len-nt 400000 --variants 12000 --risk null --out own",
    );
    let vcf = text_of(&folder.path().join("own/cohort.vcf.gz"));
    let positions = vcf
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split('\t').nth(1).unwrap().parse::<usize>().unwrap());
    let locus = |(n, at): (usize, usize)| {
        format!(
            "simulated\t{}\t{}\tL{n}",
            at.saturating_sub(16),
            (at + 14).min(400_000)
        )
    };
    let loci: Vec<String> = positions.take(10_000).enumerate().map(locus).collect();
    assert_eq!(loci.len(), 10_000);
    let few: Vec<&str> = loci.iter().step_by(1_999).map(String::as_str).collect();
    fs::write(folder.path().join("many.bed"), loci.join("\n") + "\n").unwrap();
    fs::write(folder.path().join("few.bed"), few.join("\n") + "\n").unwrap();
    let genomes = "--vcf own/cohort.vcf.gz --reference own/reference.fa";
    let many = crate::support::fasta(&succeed(
        folder.path(),
        &format!("sequences {genomes} --regions-file many.bed"),
    ));
    let few = crate::support::fasta(&succeed(
        folder.path(),
        &format!("sequences {genomes} --regions-file few.bed"),
    ));
    assert_eq!((many.len(), few.len()), (400_000, 240));
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
