//! What is carried laid on several media: packed aside first, so that each of them carries the whole list.

use std::{fmt, path::Path, sync::Arc};

use imgdelta_core::{Bytes, Error, Result};
use imgdelta_operations::Context;

use super::{
    Deploy,
    report::{DeployReport, MediumReport},
};
use crate::{
    bundle::{
        Bundle, LEAST_PIECE, MediumNumber, SigningKey, USUAL_PIECE,
        media::{LaidMedium, Medium, lay_out},
    },
    calls::context::{cut_short, shown, with_delivery_context},
    deployment::PACKING_FOLDER,
};

/// Which part of the smallest medium a piece is at most: more of them fill a medium better.
const PARTS: u64 = 8;

/// Asks for a medium.
type Asks = dyn Fn(MediumNumber, &Path) -> Result<()> + Send + Sync;

/// What asks the user for the next medium, where several are reached in one folder.
#[derive(Clone, Default)]
pub struct AskForMedium(Option<Arc<Asks>>);

impl AskForMedium {
    /// Asks by that function; it returns when the medium is there, or an error if the user gives up.
    #[must_use]
    pub fn by(ask: impl Fn(MediumNumber, &Path) -> Result<()> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(ask)))
    }

    /// Whether anybody can be asked.
    const fn is_possible(&self) -> bool {
        self.0.is_some()
    }

    fn ask(&self, medium: MediumNumber, folder: &Path) -> Result<()> {
        self.0.as_ref().map_or(Ok(()), |ask| ask(medium, folder))
    }
}

impl fmt::Debug for AskForMedium {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AskForMedium")
            .field(&self.0.is_some())
            .finish()
    }
}

impl Deploy {
    /// Several media in place of one folder, to be filled in this order. Those that are reached in the same folder are asked for one after another, by what
    /// `ask` holds. All is packed in the [packing folder](Self::packing_folder) first.
    #[must_use]
    pub fn media(mut self, media: impl IntoIterator<Item = Medium>, ask: AskForMedium) -> Self {
        self.media = media.into_iter().collect();
        self.medium = self.media.first().map(|medium| medium.folder.clone());
        self.ask = ask;
        self
    }

    /// How long the pieces are: many of them go on the smallest medium.
    fn piece_of_media(&self) -> Bytes {
        let sizes = self.media.iter().filter_map(|medium| medium.size);
        let part = sizes.min().map_or(USUAL_PIECE.0, |size| size.0 / PARTS);
        let whole = part.checked_div(LEAST_PIECE.0).unwrap_or_default();
        let fitting = whole.max(1).saturating_mul(LEAST_PIECE.0);
        self.piece.unwrap_or(Bytes(fitting).min(USUAL_PIECE))
    }

    /// How much all of them hold, as far as that is said.
    pub(super) fn room_on_media(&self) -> Option<Bytes> {
        let sizes = self.media.iter().map(|medium| medium.size);
        let sum = |sum: Bytes, size: Bytes| Bytes(sum.0.saturating_add(size.0));
        let sizes: Vec<Bytes> = sizes.collect::<Option<_>>()?;
        sizes.into_iter().reduce(sum)
    }

    /// How much the only medium holds, if that is said.
    pub(super) fn room_on_one(&self) -> Option<Bytes> {
        match &self.media[..] {
            [medium] => medium.size,
            _ => None,
        }
    }

    /// As [`run`](Self::run), onto one medium whose size is known.
    pub(super) fn run_onto_one(&self, context: &Context) -> Result<DeployReport> {
        let cut = Self {
            piece: self.piece.or(Some(USUAL_PIECE)),
            ..self.clone()
        };
        cut.run_once(context)
    }

    /// As [`run`](Self::run), onto several media.
    pub(super) fn run_onto_media(&self, context: &Context) -> Result<DeployReport> {
        self.require_reachable()?;
        let key = self.sign.as_deref().map(SigningKey::new).transpose()?;
        let place = self.packing.as_deref().unwrap_or(Path::new(PACKING_FOLDER));
        let aside = tempfile::Builder::new()
            .prefix("imgdelta-")
            .tempdir_in(place);
        let aside =
            aside.map_err(|cause| Error::host("cannot create a folder", cause).in_file(place))?;
        let packed = Self {
            media: Vec::new(),
            medium: Some(aside.path().to_owned()),
            piece: Some(self.piece_of_media()),
            sign: None,
            ..self.clone()
        };
        let mut report = packed.run_once(context)?;
        report.delivery = self.medium.as_deref().map(shown);
        let Ok(bundle) = Bundle::open(aside.path()) else {
            // All sites have all of it.
            return Ok(report);
        };
        let laid = with_delivery_context(context, self.wait, |delivery_context| {
            let ask = |medium, folder: &Path| self.ask.ask(medium, folder);
            lay_out(
                &bundle,
                &self.media,
                (key.as_ref(), self.wait),
                &ask,
                delivery_context,
            )
        });
        let laid = laid.map_err(|error| {
            cut_short(
                error,
                "media that were finished are whole; the same line goes on with the others",
            )
        })?;
        report.media = reported(&laid);
        Ok(report)
    }

    /// Media that are reached in one folder are asked for.
    fn require_reachable(&self) -> Result<()> {
        let next = self.media.iter().skip(1);
        let mut pairs = self.media.iter().zip(next);
        let is_asked_for = pairs.any(|(one, next)| one.folder == next.folder);
        if !is_asked_for || self.ask.is_possible() {
            return Ok(());
        }
        let message =
            "several media are to be reached in one folder, and nobody can be asked for them";
        Err(Error::new(imgdelta_core::Kind::Usage, message)
            .with_code("no_terminal")
            .with_hint("give each a folder: -o FOLDER1 -o FOLDER2; or run it on a terminal"))
    }
}

fn reported(laid: &[LaidMedium]) -> Vec<MediumReport> {
    let numbered = (1..).zip(laid);
    let reports = numbered.map(|(number, medium)| MediumReport {
        number,
        folder: shown(&medium.folder),
        bytes: medium.bytes,
    });
    reports.collect()
}
