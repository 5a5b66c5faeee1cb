//! What a task of `convert` reads, and the leaves of that.

use imgdelta_core::{Bytes, Result, UnitCoding};

use super::Copier;
use crate::{
    leaf_batch,
    planner::{Side, Task},
    tree::Digest,
    unit_writer::UnitWriter,
};

impl Copier<'_> {
    /// Fills in `len` bytes of what is to be read; the disk's leaves there, if they are wanted: as many windows are read as are hashed together, and
    /// hashed before they leave the core's cache. Units that a layer has compressed as the writer would are kept so.
    pub(super) fn read(
        &self,
        unit_writer: &mut UnitWriter,
        task: &Task,
        len: Bytes,
    ) -> Result<Vec<Digest>> {
        let size = self.copy.disk.size();
        let mut numbers = task.windows_to_read().map(|window| window.number);
        if let Some(coding) = unit_writer.coding() {
            self.read_adopting(unit_writer, coding, task, len)?;
            if !self.copy.proves {
                return Ok(Vec::new());
            }
            return Ok(leaf_batch::leaves_of(size, numbers, unit_writer.data()));
        }
        if !self.copy.proves {
            self.read_between(unit_writer, task, (Bytes::ZERO, len))?;
            return Ok(Vec::new());
        }
        let (mut leaves, mut from) = (Vec::new(), Bytes::ZERO);
        while from < len {
            let to = Bytes(from.0.saturating_add(leaf_batch::room(self.at_once).0)).min(len);
            self.read_between(unit_writer, task, (from, to))?;
            let bytes = unit_writer.data().get(from.in_memory()..to.in_memory());
            let numbers = numbers.by_ref().take(self.at_once);
            leaves.extend(leaf_batch::leaves_of(
                size,
                numbers,
                bytes.unwrap_or_default(),
            ));
            from = to;
        }
        Ok(leaves)
    }

    /// Fills in `len` bytes of what is to be read; units that a layer has compressed by `coding` are kept so.
    fn read_adopting(
        &self,
        unit_writer: &mut UnitWriter,
        coding: UnitCoding,
        task: &Task,
        len: Bytes,
    ) -> Result<()> {
        let disk = self.copy.disk;
        let mut from = Bytes::ZERO;
        let runs = task.extents.iter().map(|extent| extent.run(Side::Target));
        for run in runs {
            let unit = disk.packed_by(&run, coding);
            let (Some(image), Some(packed)) = (unit, task.packed_run(run.at, run.len)) else {
                continue;
            };
            self.read_between(unit_writer, task, (from, packed))?;
            let read = |bytes: &mut [u8], compressed: &mut Vec<u8>| {
                image.read_packed(&run.extent(), bytes, compressed)
            };
            unit_writer.adopt(run.at, packed.in_memory(), read)?;
            from = Bytes(packed.0.saturating_add(run.len.0));
        }
        self.read_between(unit_writer, task, (from, len))
    }

    /// Fills in the bytes from one packed address to another.
    fn read_between(
        &self,
        unit_writer: &mut UnitWriter,
        task: &Task,
        (from, to): (Bytes, Bytes),
    ) -> Result<()> {
        let part = unit_writer
            .data_mut()
            .get_mut(from.in_memory()..to.in_memory());
        match part {
            Some(bytes) if !bytes.is_empty() => {
                task.read_packed(self.copy.disk, Side::Target, from, bytes)
            }
            _ => Ok(()),
        }
    }
}
