//! What remembered digests are found by: the hash of the ids of all layers.
//!
//! A disk of which one file stands where times need not move when content does has no key: see [`FileSystem`](imgdelta_core::FileSystem).
//! All that could make two disks of one chain of files goes in, each part with its length or count before it, so that no two chains give the
//! same bytes.

use std::time::{Duration, SystemTime};

use imgdelta_core::{FileVersion, LayerId};
use sha2::{Digest as _, Sha256};

use crate::{chain::Chain, tree::Digest};

/// What sets these keys apart from others, those of earlier versions among them: what was kept under those is not believed.
const DOMAIN: &[u8; 16] = b"imgdelta leaves2";

/// A file that changed this recently may change again within the clock's grain.
const SETTLED: Duration = Duration::from_secs(2);

/// What the chain is known by; `None` if it cannot be told from a changed one.
pub(super) fn of(chain: &Chain) -> Option<Digest> {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .ok()?;
    let settled = i128::try_from(now.saturating_sub(SETTLED).as_nanos()).ok()?;
    let mut key = Key(Sha256::new().chain_update(DOMAIN));
    key.number(chain.size().0);
    key.count(chain.layers().len());
    for layer in chain.layers() {
        let id = layer.id();
        let is_told = |file: &FileVersion| {
            let is_settled = file.modified.max(file.changed) <= settled;
            !file.is_device && file.file_system.tells_changes() && is_settled
        };
        if id.files().is_empty() || !id.files().iter().all(is_told) {
            return None;
        }
        key.layer(id);
    }
    Some(Digest(key.0.finalize().into()))
}

struct Key(Sha256);

impl Key {
    fn layer(&mut self, id: &LayerId) {
        self.text(id.format().name());
        self.number(id.size().0);
        self.maybe(id.snapshot(), Self::text);
        self.count(id.within().len());
        id.within().iter().for_each(|packing| self.text(packing));
        self.count(id.options().iter().count());
        for (key, value) in id.options().iter() {
            self.text(key);
            self.text(value);
        }
        self.count(id.files().len());
        id.files().iter().for_each(|file| self.file(file));
    }

    fn file(&mut self, file: &FileVersion) {
        self.number(u64::from(file.file_system.magic));
        self.number(file.file_system.id);
        self.number(file.device);
        self.number(file.inode);
        self.maybe(file.born, Self::time);
        self.number(file.len);
        self.time(file.modified);
        self.time(file.changed);
    }

    fn maybe<T>(&mut self, value: Option<T>, put: impl FnOnce(&mut Self, T)) {
        self.number(u64::from(value.is_some()));
        if let Some(value) = value {
            put(self, value);
        }
    }

    fn text(&mut self, text: &str) {
        self.count(text.len());
        self.0.update(text);
    }

    fn count(&mut self, count: usize) {
        self.number(count as u64);
    }

    fn number(&mut self, number: u64) {
        self.0.update(number.to_le_bytes());
    }

    fn time(&mut self, time: i128) {
        self.0.update(time.to_le_bytes());
    }
}
