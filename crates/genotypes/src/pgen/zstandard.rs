//! Text that is compressed with Zstandard: one frame or several, each with its checksum verified.

use std::{
    fs::File,
    io::{BufRead, BufReader, Error, ErrorKind, Read},
};

use ruzstd::decoding::{
    BlockDecodingStrategy, FrameDecoder,
    errors::{FrameDecoderError, ReadFrameHeaderError},
};

/// The limit of the `zstd` program without flags.
const MAX_WINDOW: u64 = 128 << 20;

/// Reads the frames of a file, one after the other.
pub(super) struct Zstandard {
    file: BufReader<File>,
    frame: FrameDecoder,
    is_inside_frame: bool,
}

impl Zstandard {
    pub(super) fn new(file: File) -> Self {
        let mut frame = FrameDecoder::new();
        frame.set_max_window_size(MAX_WINDOW);
        Self {
            file: BufReader::with_capacity(1 << 17, file),
            frame,
            is_inside_frame: false,
        }
    }

    /// Starts the next frame; false at the end of the file.
    fn next_frame(&mut self) -> Result<bool, Error> {
        loop {
            if self.file.fill_buf()?.is_empty() {
                return Ok(false);
            }
            match self.frame.reset(&mut self.file) {
                Ok(()) => {
                    self.is_inside_frame = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => self.skip(u64::from(length))?,
                Err(error) => return Err(Error::other(error)),
            }
        }
    }

    /// Passes over a skippable frame.
    fn skip(&mut self, length: u64) -> Result<(), Error> {
        let mut content = (&mut self.file).take(length);
        if std::io::copy(&mut content, &mut std::io::sink())? == length {
            return Ok(());
        }
        Err(ErrorKind::UnexpectedEof.into())
    }

    fn finish_frame(&mut self) -> Result<(), Error> {
        self.is_inside_frame = false;
        let Some(expected) = self.frame.get_checksum_from_data() else {
            return Ok(());
        };
        if self.frame.get_calculated_checksum() == Some(expected) {
            return Ok(());
        }
        let message = "the checksum is not that of the text; the file is damaged";
        Err(Error::new(ErrorKind::InvalidData, message))
    }
}

impl Read for Zstandard {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        while self.is_inside_frame || self.next_frame()? {
            while self.frame.can_collect() == 0 && !self.frame.is_finished() {
                self.frame
                    .decode_blocks(&mut self.file, BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(Error::other)?;
            }
            let count = self.frame.read(buffer)?;
            if count > 0 {
                return Ok(count);
            }
            self.finish_frame()?;
        }
        Ok(0)
    }
}
