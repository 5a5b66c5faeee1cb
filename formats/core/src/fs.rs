//! Files of the host: written whole or not at all, deleted for good, locked, told from other versions of themselves.

pub mod atomic_file;
mod folder;
mod lock;
pub mod remove;
mod rollback;

pub use atomic_file::{AtomicFile, Existing};
pub use folder::{create_folders, sync_folder};
pub use lock::{FileLock, LockAttempt, LockWait, has_no_locks, try_lock};
pub use remove::Removals;
