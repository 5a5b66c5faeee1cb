//! The two headers: how the file is told, and which header counts. What the log holds is read in `log`.

use std::ops::Range;

use imgdelta_core::{
    Bytes, Error, FileOffset, Kind, Patch, ProbeResult, ProbeWindow, Result, Source, read_array,
};

use crate::{
    fault::Fault,
    identity,
    layout::{
        FILE_SIGNATURE, FileId, HEADER_AT, HEADER_SIGNATURE, Header, LOG_VERSION, MIB, NO_GUID,
        VERSION,
    },
};

/// The largest log: openvmm draws the same line.
pub(crate) const MAX_LOG: u32 = 1 << 30;

/// The headers of a file.
#[derive(Clone, Debug)]
pub(crate) struct Headers {
    /// The one that counts.
    pub(crate) current: Header,
    /// Which that is: 0 or 1.
    pub(crate) slot: usize,
    /// The other one; `None` if it is damaged.
    pub(crate) other: Option<Header>,
    /// What is wrong with the other one, if something is.
    pub(crate) flaw: Option<String>,
}

/// Whether a file is a VHDX. The headers are out of a probe's reach.
pub(crate) fn probe(peek: &ProbeWindow) -> ProbeResult {
    match peek.head::<8>(0) {
        Some(FILE_SIGNATURE) if peek.len().0 < MIB => ProbeResult::Damaged,
        Some(FILE_SIGNATURE) => ProbeResult::Yes,
        _ => ProbeResult::No,
    }
}

/// Who made the file, as it says.
///
/// # Errors
/// Corrupt, if it is no VHDX.
pub(crate) fn creator(source: &dyn Source) -> Result<String> {
    let mut bytes = [0; FileId::SIZE];
    source.read_padded_at(FileOffset::ZERO, &mut bytes)?;
    let id = FileId::parse(&bytes);
    if id.signature != FILE_SIGNATURE {
        let found = id.signature.escape_ascii().to_string();
        return Err(Error::from(Fault::Signature { found })
            .in_field("file type identifier", "signature")
            .at(FileOffset::ZERO));
    }
    let (units, _) = id.creator.as_chunks::<2>();
    let units = units
        .iter()
        .map(|unit| u16::from_le_bytes(*unit))
        .take_while(|unit| *unit != 0);
    Ok(char::decode_utf16(units)
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect())
}

/// Reads both headers and chooses: of two that are whole the one with the greater sequence number.
///
/// # Errors
/// Corrupt, if none is whole or none is the newer.
pub(crate) fn read(source: &dyn Source) -> Result<Headers> {
    let [first, second] = HEADER_AT.map(|at| read_one(source, FileOffset(at)));
    match (first?, second?) {
        (Ok(first), Ok(second)) => choose(first, second),
        (Ok(current), Err(flaw)) => Ok(alone(current, 0, &flaw)),
        (Err(flaw), Ok(current)) => Ok(alone(current, 1, &flaw)),
        (Err(first), Err(second)) => {
            Err(in_header(Fault::NoHeader { first, second }, "checksum", 0))
        }
    }
}

/// One header, or what is wrong with it.
fn read_one(source: &dyn Source, at: FileOffset) -> Result<Result<Header, String>> {
    if at.0.saturating_add(Header::SIZE as u64) > source.len().0 {
        return Ok(Err(format!("the file ends at {}", source.len().0)));
    }
    let header = Header::parse(&read_array(source, at)?);
    if header.signature != HEADER_SIGNATURE {
        let found = header.signature.escape_ascii();
        return Ok(Err(format!("signature is '{found}', 'head' is required")));
    }
    let computed = header.computed_checksum();
    if header.checksum != computed {
        let found = header.checksum;
        return Ok(Err(format!(
            "checksum is {found:#010x}, computed {computed:#010x}"
        )));
    }
    Ok(Ok(header))
}

fn alone(current: Header, slot: usize, flaw: &str) -> Headers {
    let other = 2 - slot;
    Headers {
        current,
        slot,
        other: None,
        flaw: Some(format!("header {other} is damaged: {flaw}")),
    }
}

/// Two that are the same, number and all, are one: disk2vhd writes such files.
fn choose(first: Header, second: Header) -> Result<Headers> {
    let (current, other, slot) = match first.sequence_number.cmp(&second.sequence_number) {
        std::cmp::Ordering::Less => (second, first, 1),
        std::cmp::Ordering::Equal if first != second => {
            let sequence = first.sequence_number;
            return Err(in_header(
                Fault::HeadersDiffer { sequence },
                "sequence_number",
                0,
            ));
        }
        _ => (first, second, 0),
    };
    Ok(Headers {
        current,
        slot,
        other: Some(other),
        flaw: None,
    })
}

/// Places a fault in the header of `slot`.
pub(crate) fn in_header(fault: Fault, field: &'static str, slot: usize) -> Error {
    let at = HEADER_AT.get(slot).copied().unwrap_or_default();
    Error::from(fault)
        .in_field("header", field)
        .at(FileOffset(at).saturating_add(Bytes(Header::at(field))))
}

impl Headers {
    /// Whether the log holds what the file does not have yet.
    pub(crate) fn has_log(&self) -> bool {
        self.current.log_guid != NO_GUID
    }

    /// The bytes of the file that the log takes; a log without length stands nowhere.
    pub(crate) fn log(&self) -> Range<u64> {
        let (start, len) = (self.current.log_offset, self.current.log_length);
        if len == 0 {
            0..0
        } else {
            start..start.saturating_add(u64::from(len))
        }
    }

    /// Judges what the header that counts says, in a file of `end` bytes. `replays`: the log is to be read.
    pub(crate) fn validate(&self, end: u64, replays: bool) -> Result<()> {
        let header = &self.current;
        let (at, length) = (FileOffset(header.log_offset), header.log_length);
        let (fault, field) = if header.version != VERSION {
            let found = header.version;
            (Fault::Version { found }, "version")
        } else if replays && self.has_log() && header.log_version != LOG_VERSION {
            let found = header.log_version;
            (Fault::LogVersion { found }, "log_version")
        } else if !u64::from(length).is_multiple_of(MIB) || length == 0 && replays && self.has_log()
        {
            (Fault::LogLength { found: length }, "log_length")
        } else if length == 0 {
            return Ok(());
        } else if length > MAX_LOG {
            let (found, most) = (length, MAX_LOG);
            (Fault::LogTooLong { found, most }, "log_length")
        } else if !at.is_aligned(Bytes(MIB)) || at.0 < MIB {
            (Fault::LogPlace { found: at }, "log_offset")
        } else if self.log().end > end {
            let len = u64::from(length);
            (Fault::LogPastEnd { at, len, end }, "log_offset")
        } else {
            return Ok(());
        };
        Err(in_header(fault, field, self.slot))
    }
}

/// Both headers as `change` leaves them, the one that counts last: with greater numbers and another file write GUID, which is made of the
/// old one, of `seed` and of the number. The data write GUID stays.
///
/// # Errors
/// Unsupported, if the number cannot grow.
pub(crate) fn renewed(
    headers: &Headers,
    seed: [u8; 16],
    change: impl Fn(&mut Header),
) -> Result<Vec<Patch>> {
    let old = &headers.current;
    let Some(last) = old.sequence_number.checked_add(2) else {
        return Err(Error::new(
            Kind::Unsupported,
            "the sequence number of the header cannot grow any more",
        ));
    };
    let seed = [old.file_write_guid, mixed(seed, last)].concat();
    let seed = seed.first_chunk().copied().unwrap_or_default();
    let [.., file_write_guid] = identity::from_seed(&seed);
    let slots = HEADER_AT.into_iter().enumerate();
    let patches = slots.map(|(slot, at)| {
        let is_last = slot == headers.slot;
        let mut header = Header {
            sequence_number: last.saturating_sub(u64::from(!is_last)),
            file_write_guid,
            ..old.clone()
        };
        change(&mut header);
        Patch {
            at: FileOffset(at),
            bytes: header.sealed().emit().into(),
        }
    });
    Ok(patches.collect())
}

/// A GUID and a number as one: so that the same seed, used again, gives another file write GUID.
fn mixed(guid: [u8; 16], number: u64) -> [u8; 16] {
    (u128::from_le_bytes(guid) ^ u128::from(number)).to_le_bytes()
}
