//! What only a medium can have: refused where there is none.

use imgdelta_core::{Error, Kind, Result};

use super::Deploy;
use crate::{
    bundle::{LEAST_PIECE, PIECE_LIMIT},
    calls::destination::Destination,
};

impl Deploy {
    /// Pieces are of a length that file systems take, and lie on a medium.
    pub(super) fn require_piece(&self) -> Result<()> {
        let Some(size) = self.piece else {
            return Ok(());
        };
        if !(LEAST_PIECE..PIECE_LIMIT).contains(&size) {
            let message = format!(
                "pieces of {} bytes: {LEAST_PIECE} is the least, and {PIECE_LIMIT} is too much for FAT",
                size.0
            );
            return Err(Error::new(Kind::Usage, message).with_code("piece_size"));
        }
        if self.sites.iter().all(|site| !site.is_carried()) {
            let message = "pieces lie on a medium, and there is none";
            return Err(Error::new(Kind::Usage, message)
                .with_code("no_delivery")
                .with_hint(
                    "leave --piece out, or carry it: --for INVENTORY -o FOLDER --piece SIZE",
                ));
        }
        Ok(())
    }

    /// Parity lies on a medium.
    pub(super) fn require_medium_for_parity(&self) -> Result<()> {
        let mut sites = self.sites.iter();
        if self.parity.is_none() || sites.any(Destination::is_carried) {
            return Ok(());
        }
        let message = "parity lies on a medium, and there is none";
        Err(Error::new(Kind::Usage, message)
            .with_code("no_delivery")
            .with_hint("leave --parity out, or carry it: --for INVENTORY -o FOLDER --parity 5"))
    }

    /// Only what is carried is signed.
    pub(super) fn require_medium_to_sign(&self) -> Result<()> {
        let mut reached = self.sites.iter().filter(|site| !site.is_carried());
        let (Some(_), Some(site)) = (&self.sign, reached.next()) else {
            return Ok(());
        };
        let message = match site {
            Destination::Ssh(_) => {
                "nothing is signed over ssh: the site knows by whose key the line was opened"
            }
            _ => {
                "nothing is signed that is entered in a folder at once: who writes there can write anything"
            }
        };
        Err(Error::new(Kind::Usage, message)
            .with_code("sign_medium")
            .with_hint("leave --sign out, or carry it: --for INVENTORY -o FOLDER --sign KEY"))
    }
}
