//! An open disk as the readers of partition tables and file systems see it.

use std::cell::RefCell;

use imgdelta_core::{Bytes, Result, VirtOffset};
use imgdelta_delta::Chain;
use imgdelta_guest as guest;

/// How many units of a compressed disk are kept unpacked, and how long one is at most.
const KEPT: usize = 8;
const LONGEST: Bytes = Bytes::mib(2);

/// A disk. The readers ask for little at a time: where a layer is compressed, the last units are kept unpacked.
#[derive(Debug)]
pub(crate) struct GuestDisk<'a> {
    chain: &'a Chain,
    /// The bytes of a unit; nothing is kept of a disk without.
    unit: Option<Bytes>,
    /// Units by number, the one that was asked for last behind the others.
    kept: RefCell<Vec<(u64, Vec<u8>)>>,
}

impl<'a> GuestDisk<'a> {
    pub(crate) fn of(chain: &'a Chain) -> Self {
        let units = chain.layers().iter();
        let unit = units
            .filter_map(|layer| layer.image.compressed_unit())
            .max();
        Self {
            chain,
            unit: unit.map(|unit| unit.min(LONGEST)).filter(|unit| unit.0 > 0),
            kept: RefCell::default(),
        }
    }

    /// Fills `buf` with what a unit has from `inside` on.
    fn read_unit(&self, unit: Bytes, number: u64, inside: usize, buf: &mut [u8]) -> Result<()> {
        let mut kept = self.kept.borrow_mut();
        let found = kept.iter().position(|(one, _)| *one == number);
        let bytes = match found {
            Some(found) => kept.remove(found).1,
            None => {
                if kept.len() >= KEPT {
                    kept.remove(0);
                }
                let mut bytes = vec![0; unit.in_memory()];
                let at = VirtOffset(number.saturating_mul(unit.0));
                self.chain.read_at(at, &mut bytes)?;
                bytes
            }
        };
        let there = bytes.iter().skip(inside);
        buf.iter_mut().zip(there).for_each(|(to, from)| *to = *from);
        kept.push((number, bytes));
        Ok(())
    }
}

impl guest::Disk for GuestDisk<'_> {
    fn size(&self) -> Bytes {
        self.chain.size()
    }

    fn sector(&self) -> Bytes {
        self.chain.disk().sector
    }

    fn read_at(&self, at: VirtOffset, buf: &mut [u8]) -> Result<()> {
        let Some(unit) = self.unit.filter(|unit| Bytes::from(buf.len()) < *unit) else {
            return self.chain.read_at(at, buf);
        };
        let (mut at, mut rest) = (at, buf);
        while !rest.is_empty() {
            let (number, inside) = (at.0 / unit.0, at.0 % unit.0);
            let len = Bytes(unit.0 - inside).in_memory().min(rest.len());
            let (now, later) = rest.split_at_mut(len);
            self.read_unit(unit, number, Bytes(inside).in_memory(), now)?;
            at = at.saturating_add(Bytes::from(len));
            rest = later;
        }
        Ok(())
    }
}
