//! Files of the host: written whole or not at all, locked, told from other versions of themselves.

pub mod atomic_file;
mod lock;
mod rollback;

pub use atomic_file::{AtomicFile, Existing};
pub use lock::has_no_locks;
