//! Where packed inputs are unpacked: beside what is written from them, else where standard input is kept.

use std::path::Path;

use imgdelta::registry::OpenSpec;

use super::Run;
use crate::job;

impl Run<'_> {
    /// The input of a command that writes an image to `output`.
    pub(super) fn unpacked_beside(&self, spec: &OpenSpec, output: &Path) -> OpenSpec {
        match output.parent() {
            _ if job::is_stream(output) => self.unpacked(spec),
            Some(folder) if folder.as_os_str().is_empty() => self.unpacked_in(spec, Path::new(".")),
            Some(folder) => self.unpacked_in(spec, folder),
            None => self.unpacked(spec),
        }
    }

    /// The input of a command that writes no image.
    pub(super) fn unpacked(&self, spec: &OpenSpec) -> OpenSpec {
        self.unpacked_in(spec, &self.settings.temporary.value)
    }

    /// The input of a command that only looks at an image: a package's digests are not worked out for that.
    pub(super) fn looked_at(&self, spec: &OpenSpec) -> OpenSpec {
        let mut spec = self.unpacked(spec);
        if let Some(unpack) = &mut spec.unpack {
            unpack.proves = false;
        }
        spec
    }

    /// The same, unpacked in `folder`.
    pub(super) fn unpacked_in(&self, spec: &OpenSpec, folder: &Path) -> OpenSpec {
        let mut spec = spec.clone();
        if let Some(unpack) = &mut spec.unpack {
            folder.clone_into(&mut unpack.room.folder);
            unpack.room.stop = Some(self.signals.flag());
        }
        spec
    }
}
