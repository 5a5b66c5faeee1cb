//! The backing file: how an image names its parent.

use imgdelta_core::{
    Bytes, Error, FileOffset, Format, Hint, HintKind, Kind, ParentLink, ParentSpec, Result, Source,
};

use crate::{
    extension::{Extension, data_of},
    fault::Fault,
    header::in_header,
    layout::{BACKING_NAME_LIMIT, CLUSTER_BITS, Header, extension as kind},
};

/// Longest name of a backing format, and NUL. [qemu]
const BACKING_FORMAT_ROOM: usize = 16;

/// What the header says of the backing file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Backing {
    /// Its name.
    pub(crate) name: String,
    /// Its format, as recorded.
    pub(crate) format: Option<String>,
}

impl Backing {
    /// As a parent link.
    pub(crate) fn link(&self) -> Result<ParentLink> {
        let format = match &self.format {
            None => None,
            Some(name) => Some(Format::of_name(name).ok_or_else(|| {
                let found = name.clone();
                Error::from(Fault::BackingFormat { found })
                    .in_field("header extension", "backing file format name")
            })?),
        };
        Ok(ParentLink {
            format,
            hints: vec![Hint {
                field: "backing file",
                kind: HintKind::Path,
                text: self.name.clone(),
            }],
            identities: Vec::new(),
            or_raw: false,
        })
    }
}

/// How `parent` is written as a backing file's name: relative where there is a way.
pub(crate) fn path_text(parent: &ParentSpec) -> Result<String> {
    let text = match &parent.relative {
        // Up to a colon, qemu takes a name for a protocol.
        Some(relative)
            if relative
                .split('/')
                .next()
                .is_some_and(|first| first.contains(':')) =>
        {
            format!("./{relative}")
        }
        Some(relative) => relative.clone(),
        None => parent.absolute.clone(),
    };
    if text.is_empty() || text.len() > BACKING_NAME_LIMIT as usize {
        let message = format!(
            "the backing file's name takes {} bytes, 1 to {BACKING_NAME_LIMIT} are required",
            text.len()
        );
        return Err(Error::new(Kind::Unsupported, message).with_code("qcow2_backing_name"));
    }
    Ok(text)
}

/// The backing file's name and format.
pub(crate) fn validate(
    source: &dyn Source,
    header: &Header,
    extensions: &[Extension],
) -> Result<Option<Backing>> {
    let at = FileOffset(header.backing_file_offset);
    if at == FileOffset::ZERO {
        return Ok(None);
    }
    let cluster = 1_u64 << header.cluster_bits.min(*CLUSTER_BITS.end());
    let found = header.backing_file_size;
    let most = cluster
        .saturating_sub(at.0)
        .min(u64::from(BACKING_NAME_LIMIT));
    if u64::from(found) > most {
        let fault = Fault::BackingSize { found, most };
        return Err(in_header(fault, "backing_file_size"));
    }
    let name = imgdelta_core::read_vec(source, at, Bytes(u64::from(found)))?;
    if let Some(nul) = name.iter().position(|&byte| byte == 0) {
        let fault = Fault::BackingNul { at: nul };
        return Err(Error::from(fault).in_structure("backing file name").at(at));
    }
    if name.is_empty() {
        return Ok(None);
    }
    let name = utf8("name of the backing file", &name)?.to_owned();
    let format = validate_format(extensions)?;
    Ok(Some(Backing { name, format }))
}

/// The recorded name of the backing file's format.
fn validate_format(extensions: &[Extension]) -> Result<Option<String>> {
    let Some(name) = data_of(extensions, kind::BACKING_FORMAT) else {
        return Ok(None);
    };
    let found = name.len();
    if found >= BACKING_FORMAT_ROOM {
        let fault = Fault::BackingFormatSize { found };
        return Err(Error::from(fault).in_field("header extension", "length"));
    }
    let name = utf8("name of the backing file's format", name)?;
    Ok((!name.is_empty()).then(|| name.to_owned()))
}

/// Bytes as text.
pub(crate) fn utf8<'a>(what: &'static str, bytes: &'a [u8]) -> Result<&'a str> {
    std::str::from_utf8(bytes).map_err(|cause| {
        let at = cause.valid_up_to();
        Fault::NotUtf8 { what, at }.into()
    })
}
