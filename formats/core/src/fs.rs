//! Files of the host: written whole or not at all, also several together, locked, told from other versions of themselves.

pub mod atomic_file;
mod atomic_set;
mod attributes;
mod commit_record;
mod copy;
mod device;
mod draft;
mod draft_name;
mod lock;
mod placement;
mod recovery;
mod rollback;
mod standing;

pub use atomic_file::{AtomicFile, Attributes, Existing};
pub use draft_name::{DraftKind, draft_kind};
pub use lock::has_no_locks;
pub use recovery::finish_commits;
pub use standing::{committed_at, is_listed};
