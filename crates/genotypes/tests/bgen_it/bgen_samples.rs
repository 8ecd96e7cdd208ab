//! Headers and sample names.

use std::{fs, path::Path};

use gf_genotypes::bgen::{BgenFile, BgenProblem, SampleSource};

use super::support::writer::{ZLIB, header, layout_2};

fn open(bytes: &[u8]) -> Result<BgenFile, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.bgen");
    fs::write(&path, bytes).unwrap();
    BgenFile::open(&path).map_err(|error| error.to_string())
}

fn refusal(bytes: &[u8]) -> String {
    open(bytes).unwrap_err()
}

#[test]
fn headers_are_checked() {
    let good = header(0, 2, layout_2(ZLIB), Some(&["A", "B"]));
    assert_eq!(open(&good).unwrap().samples(), ["A", "B"]);

    assert!(refusal(&header(0, 2, 1 | 1 << 2, None)).contains("layout 1 (BGEN 1.0 or 1.1)"));
    assert!(refusal(&header(0, 2, 1, None)).contains("layout 0"));
    assert!(refusal(&header(0, 2, 1 | 3 << 2, None)).contains("unknown layout 3"));
    assert!(refusal(&header(0, 2, 3 | 2 << 2, None)).contains("unknown compression 3"));
    assert!(refusal(&header(0, 3, layout_2(ZLIB), Some(&["A"]))).contains("is 1; expected 3"));
    let twice = refusal(&header(0, 2, layout_2(ZLIB), Some(&["A", "A"])));
    assert!(
        twice.contains("samples 1 and 2 are both named `A`"),
        "{twice}"
    );
    let control = refusal(&header(0, 2, layout_2(ZLIB), Some(&["A", "B\t"])));
    assert!(control.contains("not printable"), "{control}");
    let many = refusal(&header(9, u32::MAX, layout_2(ZLIB), None));
    assert!(
        many.contains("the number of samples is 4294967295"),
        "{many}"
    );

    let mut other = good.clone();
    other[16..20].copy_from_slice(b"BAM\x01");
    assert!(refusal(&other).contains("bytes 17 to 20 are `BAM\\x01`, not `bgen`"));
    let mut zeros = good.clone();
    zeros[16..20].fill(0);
    assert!(open(&zeros).is_ok());
    let mut short = good.clone();
    short[4] = 19;
    assert!(refusal(&short).contains("the header block is 19 bytes; expected 20"));
    for len in 0..good.len() {
        let message = refusal(&good[..len]);
        assert!(message.contains("needs"), "{len}: {message}");
    }
}

#[test]
fn free_data_are_skipped() {
    let mut bytes = header(0, 1, layout_2(ZLIB), None);
    bytes.splice(20..20, *b"free data!");
    bytes[0] += 10;
    bytes[4] += 10;
    assert!(open(&bytes).is_ok());
    let mut gap = header(0, 1, layout_2(ZLIB), Some(&["A"]));
    gap[0] += 3;
    gap.extend(*b"gap");
    assert_eq!(open(&gap).unwrap().samples(), ["A"]);
}

fn with_sample_file(name: &str, text: &str) -> Result<(Vec<String>, SampleSource), String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.bgen");
    fs::write(&path, header(0, 2, layout_2(ZLIB), None)).unwrap();
    fs::write(folder.path().join(name), text).unwrap();
    let file = BgenFile::open(&path).map_err(|error| error.to_string())?;
    Ok((file.samples().to_vec(), file.sample_source().clone()))
}

#[test]
fn names_are_taken_from_a_sample_file() {
    let oxford = "ID_1 ID_2 missing sex\n0 0 0 D\nF1 A 0 1\nF2 B 0 2\n";
    let plink = "ID_1\tID_2\tmissing\n0\t0\t0\n0 A 0.5\n0 B 0\n\n";
    let qctool = "ID\n0\nA\nB\n";
    let biobank = "ID_1 ID_2 missing sex\n0 0 0 D\nA A 0 1\nB B 0 2";
    for text in [oxford, plink, qctool, biobank] {
        let (samples, source) = with_sample_file("x.sample", text).unwrap();
        assert_eq!(samples, ["A", "B"], "{text}");
        assert!(matches!(source, SampleSource::SampleFile(_)));
    }
    let windows = oxford.replace('\n', "\r\n");
    assert_eq!(
        with_sample_file("x.bgen.sample", &windows).unwrap().0,
        ["A", "B"]
    );
}

#[test]
fn sample_files_are_checked() {
    fn refusal(text: &str) -> String {
        with_sample_file("x.sample", text).unwrap_err()
    }
    let head = "ID_1 ID_2 missing\n0 0 0\n";
    assert!(refusal("").contains("two header lines"));
    assert!(refusal("A A 0\nB B 0\n").contains("two header lines"));
    assert!(refusal(&format!("{head}A A 0\n")).contains("is 1; expected 2"));
    let ragged = refusal(&format!("{head}A A 0\nB B\n"));
    assert!(
        ragged.contains("line 4: 2 column(s); the header line has 3"),
        "{ragged}"
    );
    let twice = refusal(&format!("{head}A A 0\nB A 0\n"));
    assert!(twice.contains("both named `A`"), "{twice}");
}

#[test]
fn samples_without_names_are_numbered_with_a_note() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.bgen");
    fs::write(&path, header(0, 2, layout_2(ZLIB), None)).unwrap();
    let file = BgenFile::open(&path).unwrap();
    assert_eq!(file.samples(), ["sample_1", "sample_2"]);
    let note = file.sample_note().unwrap();
    assert!(note.contains("x.sample"), "{note}");
    let other = folder.path().join("names.txt");
    fs::write(&other, "ID\n0\nA\nB\n").unwrap();
    let file = BgenFile::open_with_sample_file(&path, &other).unwrap();
    assert_eq!(
        (file.samples(), file.sample_note()),
        (&["A".into(), "B".into()][..], None)
    );
}

#[test]
fn a_missing_file_is_an_error_with_its_name() {
    let error = BgenFile::open(Path::new("/nonexistent/x.bgen")).unwrap_err();
    assert!(matches!(error.problem, BgenProblem::Io(_)));
    assert!(error.to_string().starts_with("/nonexistent/x.bgen: "));
    let folder = tempfile::tempdir().unwrap();
    let error = BgenFile::open(folder.path()).unwrap_err();
    assert!(error.to_string().contains("not a regular file"), "{error}");
}
