//! Files of the host: written whole or not at all, also several together, deleted for good, locked, told from other versions of themselves.

pub mod atomic_file;
mod atomic_set;
mod attributes;
mod commit_record;
mod copy;
mod device;
mod draft;
mod draft_name;
pub mod file_system;
mod folder;
mod free_space;
mod held;
mod immutable;
mod lock;
mod ownership;
mod placement;
mod recovery;
pub mod remove;
mod rollback;
mod standing;
pub mod version;

pub use atomic_file::{AtomicFile, Attributes, Existing, part_of, remove_dead_part};
pub use draft::DeadDraft;
pub use draft_name::{DraftKind, draft_kind};
pub use file_system::FileSystem;
pub use folder::{create_folders, sync_folder};
pub use free_space::FreeSpace;
pub use held::{HeldFolder, HeldPlace};
pub use lock::{FileLock, LockAttempt, LockWait, has_no_locks, try_lock};
pub use ownership::Ownership;
pub use recovery::finish_commits;
pub use remove::Removals;
pub use standing::{committed_at, is_listed};
pub use version::FileVersion;
