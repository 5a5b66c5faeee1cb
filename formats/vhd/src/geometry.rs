//! Cylinders, heads, sectors: the specification's procedure, and what size a geometry has. Which size counts is judged in `validate`.

use std::fmt;

use imgdelta_core::{Bytes, SECTOR};

use crate::layout::Footer;

/// The disk as BIOSes count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// Cylinders.
    pub(crate) cylinders: u16,
    /// Heads.
    pub(crate) heads: u8,
    /// Sectors per track.
    pub(crate) sectors: u8,
}

impl Geometry {
    /// The largest one, which says no more than that the disk is large. [VHD] appendix; qemu takes the current size then.
    pub(crate) const MAX: Self = Self {
        cylinders: 65535,
        heads: 16,
        sectors: 255,
    };

    /// What `footer` says.
    pub(crate) const fn of(footer: &Footer) -> Self {
        Self {
            cylinders: footer.cylinders,
            heads: footer.heads,
            sectors: footer.sectors_per_track,
        }
    }

    /// The one for a disk of `size`, by the procedure of [VHD] "CHS calculation". It holds at most `size`, often less.
    pub(crate) fn for_size(size: Bytes) -> Self {
        let total = (size.0 / SECTOR).min(65535 * 16 * 255);
        let (cylinders, heads, sectors) = if total >= 65535 * 16 * 63 {
            (total / 255 / 16, 16, 255)
        } else {
            let (mut sectors, mut tracks) = (17, total / 17);
            let mut heads = tracks.div_ceil(1024).max(4);
            if tracks >= heads * 1024 || heads > 16 {
                (sectors, heads, tracks) = (31, 16, total / 31);
            }
            if tracks >= heads * 1024 {
                (sectors, heads, tracks) = (63, 16, total / 63);
            }
            (tracks / heads, heads, sectors)
        };
        Self {
            cylinders: u16::try_from(cylinders).unwrap_or(u16::MAX),
            heads: u8::try_from(heads).unwrap_or(u8::MAX),
            sectors,
        }
    }

    /// The smallest one of the procedure that holds `size`; `None` if that takes more than a geometry can say. qemu searches
    /// upwards in the same way.
    pub(crate) fn that_holds(size: Bytes) -> Option<Self> {
        let mut asked = size.round_up(Bytes(SECTOR));
        while asked <= Self::MAX.size() {
            let found = Self::for_size(asked);
            if found.size() >= size {
                return Some(found);
            }
            asked = asked.checked_add(Bytes(SECTOR))?;
        }
        None
    }

    /// The bytes that it covers.
    pub(crate) const fn size(self) -> Bytes {
        Bytes(self.cylinders as u64 * self.heads as u64 * self.sectors as u64 * SECTOR)
    }

    /// The bytes of one cylinder: as far as a geometry may honestly be off.
    pub(crate) const fn cylinder(self) -> Bytes {
        Bytes(self.heads as u64 * self.sectors as u64 * SECTOR)
    }

    /// Reads what [`Display`](fmt::Display) writes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let found = Self {
            cylinders: parts.next()?.parse().ok()?,
            heads: parts.next()?.parse().ok()?,
            sectors: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(found)
    }
}

/// `1024/16/63`.
impl fmt::Display for Geometry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.cylinders, self.heads, self.sectors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn geometries_follow_the_procedure() {
        for (sectors, text) in [
            (200, "2/4/17"),
            (2048, "30/4/17"),
            (3 * 2048, "90/4/17"),
            (4 * 2048, "120/4/17"),
            (10 * 2048, "301/4/17"),
            (33 * 2048, "993/4/17"),
            (34 * 2048, "140/16/31"),
            (40 * 2048, "963/5/17"),
            (100 * 2048, "1003/12/17"),
            (127 * 2048, "1019/15/17"),
            (256 * 2048, "520/16/63"),
            (504 * 2048, "1024/16/63"),
            (512 * 2048, "1040/16/63"),
            (1 << 21, "2080/16/63"),
            (2 << 21, "4161/16/63"),
            (8 << 21, "16644/16/63"),
            (16 << 21, "33288/16/63"),
            (66_059_279, "65534/16/63"),
            (66_059_280, "16191/16/255"),
            (32 << 21, "16448/16/255"),
            (40 << 21, "20560/16/255"),
            (127 << 21, "65278/16/255"),
            (128 << 21, "65535/16/255"),
            (2040 << 21, "65535/16/255"),
        ] {
            let found = Geometry::for_size(Bytes(sectors * SECTOR));
            assert_eq!(found.to_string(), text, "{sectors} sectors");
            assert_eq!(Geometry::parse(text), Some(found));
        }
    }

    #[test]
    fn rounding_up_gives_what_qemu_img_gives() {
        for (size, bytes) in [
            (Bytes::kib(100), 104_448),
            (Bytes::mib(1), 1_079_296),
            (Bytes::mib(4), 4_212_736),
            (Bytes::mib(34), 35_686_400),
            (Bytes::gib(8), 8_590_417_920),
            (Bytes::gib(127), 136_365_219_840),
        ] {
            assert_eq!(
                Geometry::that_holds(size).map(Geometry::size),
                Some(Bytes(bytes))
            );
        }
        assert_eq!(Geometry::that_holds(Bytes::gib(200)), None);
    }
}
