//! BGZF and gzip: writes and reads compressed bytes.

use std::{
    fs,
    io::{Read, Write},
    path::Path,
};

use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use noodles::{bgzf, tabix, vcf};

/// Bytes compressed as BGZF, and the ends of their blocks.
pub struct Bgzf {
    pub bytes: Vec<u8>,
    /// Offset behind each block in `bytes`, without the end-of-file block.
    pub block_ends: Vec<usize>,
}

impl Bgzf {
    /// Compresses each element to a block of its own.
    pub fn of_blocks<B: AsRef<[u8]>>(blocks: impl IntoIterator<Item = B>) -> Self {
        let mut writer = bgzf::io::Writer::new(Vec::new());
        let mut block_ends = Vec::new();
        for block in blocks {
            writer.write_all(block.as_ref()).unwrap();
            writer.flush().unwrap();
            block_ends.push(writer.get_ref().len());
        }
        let bytes = writer.finish().unwrap();
        Self { bytes, block_ends }
    }
}

/// Compresses bytes as BGZF.
pub fn bgzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = bgzf::io::Writer::new(Vec::new());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

/// Compresses blocks as BGZF, and makes the `.gzi` index of the result.
///
/// A `.gzi` file has the number of blocks without the first, then for each of these its offset in
/// the compressed file and in the plain file. All numbers are little-endian `u64`.
pub fn bgzip_with_gzi(blocks: &[&[u8]]) -> (Vec<u8>, Vec<u8>) {
    let compressed = Bgzf::of_blocks(blocks);
    let n_indexed = blocks.len() - 1;
    let mut gzi = (n_indexed as u64).to_le_bytes().to_vec();
    let mut plain_offset = 0_u64;
    // A block begins where the one before it ends.
    for (block, compressed_offset) in blocks.iter().zip(compressed.block_ends).take(n_indexed) {
        plain_offset += block.len() as u64;
        gzi.extend((compressed_offset as u64).to_le_bytes());
        gzi.extend(plain_offset.to_le_bytes());
    }
    (compressed.bytes, gzi)
}

/// Compresses bytes as plain gzip, without the blocks of BGZF.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Text of a file compressed as gzip or BGZF.
pub fn gunzipped(path: &Path) -> String {
    let mut text = String::new();
    MultiGzDecoder::new(fs::File::open(path).unwrap())
        .read_to_string(&mut text)
        .unwrap();
    text
}

/// Writes the tabix index of a compressed VCF next to it.
pub fn write_tabix(path: &Path) {
    let vcf::Index::Tabix(index) = vcf::fs::index(path).unwrap() else {
        panic!("{}: not small enough for tabix", path.display())
    };
    let mut index_path = path.as_os_str().to_owned();
    index_path.push(".tbi");
    tabix::fs::write(index_path, &index).unwrap();
}
