//! Payloads read and written: JSON, but for the greetings, which any version must be able to read, and for bytes that are passed on.

use imgdelta_core::{Error, Kind, Result};
use serde::{Serialize, de::DeserializeOwned};

use super::payload::{
    Announce, Common, Empty, Greeting, Init, InitDone, LONGEST_PROGRAM, MAGIC, Open, Opened,
    RawBytes, ResumeState, StartAt, Versions, Working,
};
use crate::{
    bundle::{BundleEntry, EnteredImage, SiteImage},
    wire::{
        failure::{Failure, sanitize},
        frame::faulty,
        proposal::{Offer, Proposal},
    },
};

/// The content of a frame.
pub(super) trait Body<'a>: Sized {
    /// Reads it.
    fn take(payload: &'a [u8]) -> Result<Self>;

    /// Appends it.
    fn put(&self, to: &mut Vec<u8>) -> Result<()>;
}

macro_rules! json {
    ($($body:ty),*) => {$(
        impl Body<'_> for $body {
            fn take(payload: &[u8]) -> Result<Self> {
                from_json(payload)
            }

            fn put(&self, to: &mut Vec<u8>) -> Result<()> {
                to_json(self, to)
            }
        }
    )*};
}

json!(
    Open,
    Init,
    InitDone,
    Opened,
    Announce,
    Common,
    Proposal,
    SiteImage,
    Offer,
    BundleEntry,
    ResumeState,
    StartAt,
    Working,
    EnteredImage,
    Failure
);

impl Body<'_> for Greeting {
    fn take(payload: &[u8]) -> Result<Self> {
        let (versions, program) = payload
            .split_first_chunk()
            .ok_or_else(|| faulty("it is too short"))?;
        let versions = Versions::parse(versions);
        if versions.magic != MAGIC {
            return Err(faulty("it does not begin with 'imgdelta'"));
        }
        if versions.lowest > versions.highest {
            let (lowest, highest) = (versions.lowest, versions.highest);
            return Err(faulty(&format!("its versions are {lowest} to {highest}")));
        }
        if program.len() > LONGEST_PROGRAM {
            return Err(faulty("its program's name is too long"));
        }
        let program =
            std::str::from_utf8(program).map_err(|_| faulty("its program's name is no text"))?;
        Ok(Self {
            versions,
            program: sanitize(program),
        })
    }

    fn put(&self, to: &mut Vec<u8>) -> Result<()> {
        to.extend_from_slice(&self.versions.emit());
        to.extend_from_slice(self.program.as_bytes());
        Ok(())
    }
}

impl<'a> Body<'a> for RawBytes<'a> {
    fn take(payload: &'a [u8]) -> Result<Self> {
        // Else somebody could send nothing for ever.
        match payload {
            [] => Err(faulty("it is empty")),
            bytes => Ok(Self(bytes)),
        }
    }

    fn put(&self, to: &mut Vec<u8>) -> Result<()> {
        to.extend_from_slice(self.0);
        Ok(())
    }
}

impl Body<'_> for Empty {
    fn take(payload: &[u8]) -> Result<Self> {
        match payload {
            [] => Ok(Self),
            _ => Err(faulty("it must be empty")),
        }
    }

    fn put(&self, _: &mut Vec<u8>) -> Result<()> {
        Ok(())
    }
}

fn from_json<T: DeserializeOwned>(payload: &[u8]) -> Result<T> {
    serde_json::from_slice(payload).map_err(|cause| faulty(&cause.to_string()))
}

fn to_json<T: Serialize>(body: &T, to: &mut Vec<u8>) -> Result<()> {
    serde_json::to_writer(to, body).map_err(|cause| {
        Error::new(
            Kind::Unsupported,
            format!("the message cannot be written: {cause}"),
        )
    })
}
