//! One model trained by two processes: it equals that of one process with twice the batch, and the
//! job ends as a whole when one process is lost.
//!
//! Needs the program built with `--features mpi` at `GF_MPI`, and `mpirun`; skipped, with a
//! message, without these.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::support::{
    file_names,
    processes::{succeeds, wait_for_checkpoint},
    rows, succeed,
};
use tempfile::TempDir;

const TRAIN: &str = "train --additive none --tokens tokens --cohort cohort/cohort.csv --seed 3 \
                     --hidden 16 --layers 1 --heads 2 --projected-length 8 --feed-forward 32";

/// The program built with MPI, where `mpirun` can start it.
fn program() -> Option<PathBuf> {
    let program = env::var_os("GF_MPI")
        .map(PathBuf::from)
        .filter(|path| path.is_file());
    let has_mpirun = succeeds(Command::new("mpirun").arg("--version"));
    if program.is_none() || !has_mpirun {
        eprintln!(
            "skipped: GF_MPI names no program built with --features mpi, or there is no mpirun"
        );
    }
    program.filter(|_| has_mpirun)
}

fn study() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    succeed(
        folder.path(),
        "simulate --people 300 --len-nt 4000 --risk additive --auc 0.8 --seed 5 --out cohort",
    );
    let tokens = "tokenize --vcf cohort/cohort.vcf.gz --reference cohort/reference.fa \
                  --regions-file cohort/loci.bed --cohort cohort/cohort.csv --out tokens";
    succeed(folder.path(), tokens);
    folder
}

fn two_ranks(program: &Path, folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new("mpirun");
    command
        .args([
            "-n",
            "2",
            "--oversubscribe",
            "--allow-run-as-root",
            "--mca",
            "btl",
            "self,tcp",
        ])
        .arg(program);
    command
        .args(arguments.split(' '))
        .current_dir(folder)
        .env("OMPI_MCA_plm_rsh_agent", "false")
        .stdin(Stdio::null());
    command
}

fn column(folder: &Path, name: &str) -> Vec<f64> {
    rows(&folder.join("training_log.csv"))
        .iter()
        .map(|row| row[name].parse().unwrap())
        .collect()
}

#[test]
fn two_ranks_are_one_with_twice_the_batch() {
    let Some(program) = program() else { return };
    let study = study();
    // Two members: an ensemble goes through the ranks one after the other.
    let options = "--epochs 6 --ensemble 2";
    succeed(
        study.path(),
        &format!("{TRAIN} {options} --batch-size 32 --out one"),
    );
    let output = two_ranks(
        &program,
        study.path(),
        &format!("{TRAIN} {options} --batch-size 16 --out two"),
    )
    .output()
    .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success()
            && said.contains("2 ranks: a step is 2 times the batch size, 32 samples"),
        "{said}"
    );
    let [one, two] = ["one", "two"].map(|name| study.path().join(name));
    for name in ["train_loss", "validation_loss", "validation_auroc"] {
        let of_one = column(&one, name);
        let of_two = column(&two, name);
        assert_eq!(of_one.len(), 12);
        for (a, b) in of_one.iter().zip(&of_two) {
            assert!(
                (a - b).abs() < 1e-4 * a.abs(),
                "{name}: {of_one:?} {of_two:?}"
            );
        }
    }
    assert_eq!(
        file_names(&one),
        file_names(&two),
        "one of them writes, the same files"
    );
}

#[test]
fn a_lost_rank_ends_the_job_and_the_checkpoint_goes_on() {
    let Some(program) = program() else { return };
    let study = study();
    let train = format!("{TRAIN} --epochs 40 --batch-size 16 --resume --out");
    assert!(
        two_ranks(&program, study.path(), &format!("{train} whole"))
            .output()
            .unwrap()
            .status
            .success()
    );
    let mut job = two_ranks(&program, study.path(), &format!("{train} lost"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let checkpoint = study.path().join("lost/checkpoint.safetensors");
    wait_for_checkpoint(&checkpoint, &mut job);
    // The second rank: the one of mpirun's children that is not the first.
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", job.id())).unwrap();
    let second = children.split_whitespace().find(|child| {
        fs::read(format!("/proc/{child}/environ")).is_ok_and(|environ| {
            environ
                .split(|&byte| byte == 0)
                .any(|pair| pair == b"OMPI_COMM_WORLD_RANK=1")
        })
    });
    assert!(
        Command::new("kill")
            .args(["-9", second.unwrap()])
            .status()
            .unwrap()
            .success()
    );
    assert!(!job.wait().unwrap().success(), "the job ends with its rank");
    assert!(checkpoint.exists() && !study.path().join("lost/config.json").exists());
    let output = two_ranks(&program, study.path(), &format!("{train} lost"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for name in ["model.safetensors", "predictions.csv"] {
        assert!(
            fs::read(study.path().join("whole").join(name)).unwrap()
                == fs::read(study.path().join("lost").join(name)).unwrap(),
            "{name}"
        );
    }
}

#[test]
fn one_of_several_is_refused_by_a_build_without_mpi() {
    if cfg!(feature = "mpi") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let output = crate::support::command(
        folder.path(),
        "train --additive none --tokens t --cohort c --out o",
    )
    .env("OMPI_COMM_WORLD_SIZE", "2")
    .output()
    .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success()
            && said.contains("this build has no MPI; build with --features mpi"),
        "{said}"
    );
}
