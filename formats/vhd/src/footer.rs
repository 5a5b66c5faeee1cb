//! Which of a file's footers counts, and whether the file is a VHD at all. What a footer says is judged in `validate`.
//!
//! The one at the end counts, with 512 bytes or, before Virtual PC 2004, 511; if it is missing or damaged, the copy at the start.

use imgdelta_core::{Error, FileOffset, ProbeResult, ProbeWindow, Result, Source, read_array};

use crate::{
    fault::Fault,
    layout::{
        DIFFERENCING, DYNAMIC, FIXED, FOOTER_COOKIE, Footer, POISON_COOKIE, SHORT_FOOTER, VERSION,
    },
};

/// A footer's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FooterLocation {
    /// The last 512 bytes.
    End,
    /// The last 511 bytes.
    ShortEnd,
    /// The copy at the start.
    Start,
}

/// What stands in a footer's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FooterCheck {
    /// A footer with the right checksum.
    Sound,
    /// A footer with a wrong checksum.
    WrongSum,
    /// A disabled one.
    Poison,
    /// Something else.
    Nothing,
}

/// The footer that counts.
#[derive(Clone, Debug)]
pub(crate) struct SelectedFooter {
    /// What it says.
    pub(crate) footer: Footer,
    /// Which one it is.
    pub(crate) spot: FooterLocation,
    /// Where it stands.
    pub(crate) at: FileOffset,
    /// The copy at the start, if that is sound too and this is not a fixed image.
    pub(crate) copy: Option<Footer>,
    /// Whether its checksum is wrong and was ignored.
    pub(crate) is_unsound: bool,
    /// What the user should know.
    pub(crate) notes: Vec<String>,
}

impl SelectedFooter {
    /// Where the last structure or block must end: at the footer, or where it ought to be.
    pub(crate) const fn data_end(&self, len: u64) -> u64 {
        match self.spot {
            FooterLocation::End | FooterLocation::ShortEnd => self.at.0,
            FooterLocation::Start => len,
        }
    }
}

/// Finds the footer that counts, in the order of blktap: end, short end, start. `ignores_checksum`: the first with a cookie will do.
pub(crate) fn find(source: &dyn Source, ignores_checksum: bool) -> Result<SelectedFooter> {
    let spots = candidates(source)?;
    let chosen = spots
        .iter()
        .find(|one| one.look == FooterCheck::Sound && one.may_count())
        .or_else(|| {
            spots.iter().find(|one| {
                ignores_checksum && one.look == FooterCheck::WrongSum && one.may_count()
            })
        });
    let poisoned = spots.iter().find(|one| one.look == FooterCheck::Poison);
    if let Some(poisoned) = poisoned
        && chosen.is_none_or(|chosen| chosen.footer.disk_type != FIXED)
    {
        return Err(Error::from(Fault::Poisoned)
            .in_field("footer", "cookie")
            .at(poisoned.at));
    }
    let Some(chosen) = chosen else {
        return Err(refusal(&spots, source));
    };
    let mut notes = Vec::new();
    let is_fixed = chosen.footer.disk_type == FIXED;
    let start = spots.iter().find(|one| one.spot == FooterLocation::Start);
    let copy = start.filter(|one| {
        one.look == FooterCheck::Sound && !is_fixed && chosen.spot != FooterLocation::Start
    });
    if chosen.look == FooterCheck::WrongSum {
        notes.push("the footer's checksum is wrong and was ignored".into());
    } else if chosen.spot == FooterLocation::Start {
        notes.push("footer at end missing or damaged; using the copy at the start".into());
    } else if let Some(copy) = copy {
        if copy.footer != chosen.footer {
            notes.push("the two footers disagree; using the one at the end".into());
        }
    } else if !is_fixed {
        notes.push(
            "footer copy at the start missing or damaged; using the footer at the end".into(),
        );
    }
    Ok(SelectedFooter {
        footer: chosen.footer.clone(),
        spot: chosen.spot,
        at: chosen.at,
        copy: copy.map(|one| one.footer.clone()),
        is_unsound: chosen.look == FooterCheck::WrongSum,
        notes,
    })
}

/// Why none counts: a wrong checksum where there is a footer, else that there is none.
fn refusal(spots: &[FooterCandidate], source: &dyn Source) -> Error {
    match spots.iter().find(|one| one.look == FooterCheck::WrongSum) {
        Some(wrong) => Error::from(Fault::FooterChecksum {
            found: wrong.footer.checksum,
            computed: wrong.footer.computed_checksum(),
        })
        .in_field("footer", "checksum")
        .at(wrong.at),
        None => Error::from(Fault::NoFooter)
            .in_field("footer", "cookie")
            .at(FileOffset(source.len().0.saturating_sub(512))),
    }
}

/// One place where a footer can stand.
struct FooterCandidate {
    spot: FooterLocation,
    at: FileOffset,
    footer: Footer,
    look: FooterCheck,
}

impl FooterCandidate {
    fn of(spot: FooterLocation, at: FileOffset, bytes: &[u8; 512]) -> Self {
        let footer = Footer::parse(bytes);
        let look = look_at(&footer);
        Self {
            spot,
            at,
            footer,
            look,
        }
    }

    /// The one at the start is a copy, which fixed images do not have: there it is the guest's.
    fn may_count(&self) -> bool {
        self.spot != FooterLocation::Start || self.footer.disk_type != FIXED
    }
}

/// The places of `source` where a footer can stand, the best first.
fn candidates(source: &dyn Source) -> Result<Vec<FooterCandidate>> {
    let len = source.len().0;
    let mut all = Vec::with_capacity(3);
    if let Some(at) = len.checked_sub(512).map(FileOffset) {
        all.push(FooterCandidate::of(
            FooterLocation::End,
            at,
            &read_array(source, at)?,
        ));
    }
    if let Some(at) = len.checked_sub(SHORT_FOOTER as u64).map(FileOffset) {
        let bytes = with_last_byte(read_array(source, at)?);
        all.push(FooterCandidate::of(FooterLocation::ShortEnd, at, &bytes));
    }
    if len >= 512 {
        let bytes = read_array(source, FileOffset::ZERO)?;
        all.push(FooterCandidate::of(
            FooterLocation::Start,
            FileOffset::ZERO,
            &bytes,
        ));
    }
    Ok(all)
}

/// A short footer with the byte that it lacks.
fn with_last_byte(short: [u8; SHORT_FOOTER]) -> [u8; 512] {
    let mut whole = [0; 512];
    for (place, byte) in whole.iter_mut().zip(short) {
        *place = byte;
    }
    whole
}

fn look_at(footer: &Footer) -> FooterCheck {
    if footer.cookie == POISON_COOKIE {
        FooterCheck::Poison
    } else if footer.cookie != FOOTER_COOKIE {
        FooterCheck::Nothing
    } else if footer.checksum == footer.computed_checksum() || is_hidden_by_tapdisk(footer) {
        FooterCheck::Sound
    } else {
        FooterCheck::WrongSum
    }
}

/// tapdisk 0.1 and 1.1 set the hidden byte and left the checksum as it was.
fn is_hidden_by_tapdisk(footer: &Footer) -> bool {
    let is_early = footer.creator_application.starts_with(b"tap")
        && matches!(footer.creator_version, 0x0000_0001 | 0x0001_0001);
    is_early && footer.hidden != 0 && {
        let mut shown = footer.clone();
        shown.hidden = 0;
        footer.checksum == shown.computed_checksum()
    }
}

/// Whether a file is a VHD. A fixed one is claimed only for a sound footer at its end.
pub(crate) fn probe(peek: &ProbeWindow) -> ProbeResult {
    let ends = [
        peek.tail::<512>(512),
        peek.tail::<SHORT_FOOTER>(SHORT_FOOTER).map(with_last_byte),
    ];
    let footers = ends
        .into_iter()
        .flatten()
        .map(|bytes| (Footer::parse(&bytes), true));
    let start = peek
        .head::<512>(0)
        .map(|bytes| (Footer::parse(&bytes), false));
    let mut claim = ProbeResult::No;
    for (footer, is_end) in footers.chain(start) {
        let is_ours = match footer.disk_type {
            FIXED => is_end,
            DYNAMIC | DIFFERENCING => true,
            _ => false,
        };
        match look_at(&footer) {
            FooterCheck::Sound if is_ours && footer.file_format_version >> 16 == VERSION >> 16 => {
                return ProbeResult::Yes;
            }
            FooterCheck::Nothing => {}
            FooterCheck::Sound | FooterCheck::WrongSum | FooterCheck::Poison => {
                claim = ProbeResult::Damaged
            }
        }
    }
    claim
}
