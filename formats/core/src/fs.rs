//! Files of the host: written whole or not at all, locked, told from other versions of themselves.

pub mod atomic_file;
pub mod file_system;
mod lock;
mod rollback;
pub mod version;

pub use atomic_file::{AtomicFile, Existing};
pub use file_system::FileSystem;
pub use lock::has_no_locks;
pub use version::FileVersion;
