//! The codecs of compressed files, from crates: streams of several members or frames are read to their last.

use std::io::{self, BufReader, Read};

use imgdelta_core::Source;

use crate::reader::SourceReader;

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// RFC 1952.
    Gzip,
    /// The .xz file format.
    Xz,
    /// RFC 8878.
    Zstd,
    /// bzip2.
    Bzip2,
}

/// What a decoder reads at once.
const INPUT: usize = 256 << 10;
/// The most memory that an .xz file may ask for: what `xz -9` makes takes 65 MiB, its largest dictionary 1.5 GiB.
const XZ_MEMORY: u64 = 2 << 30;
/// The longest window of a zstd file, as a power of two: what `zstd --long=31` makes.
const ZSTD_WINDOW: u32 = 31;

impl Codec {
    /// The unpacked bytes of `packed`, as a stream. It ends with an error if the file is damaged or cut short.
    ///
    /// # Errors
    /// Those of the decoder, if it cannot be started.
    pub(crate) fn unpacked(self, packed: &dyn Source) -> io::Result<Box<dyn Read + '_>> {
        let input = BufReader::with_capacity(INPUT, SourceReader::new(packed));
        Ok(match self {
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(input)),
            Self::Xz => {
                let flags = liblzma::stream::CONCATENATED;
                let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, flags)?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(input, stream))
            }
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?;
                decoder.window_log_max(ZSTD_WINDOW)?;
                Box::new(decoder)
            }
            Self::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(input)),
        })
    }
}
