//! A thread beside the caller's, for what two do in turn: one reads or unpacks while the other hashes or writes.

use std::thread::{Builder, Scope, ScopedJoinHandle};

use crate::{Error, Result};

/// Starts a thread of `scope`, called `imgdelta-beside`. A host that has none left is an error, where [`Scope::spawn`] panics.
///
/// # Errors
/// Host, if no thread can be started.
pub fn beside<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>> {
    let named = Builder::new().name("imgdelta-beside".to_owned());
    let started = named.spawn_scoped(scope, work);
    started.map_err(|cause| Error::host("cannot start a thread", cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_a_name_and_gives_back_what_it_made() -> Result<()> {
        let name = || std::thread::current().name().map(str::to_owned);
        std::thread::scope(|scope| {
            let found = beside(scope, name)?.join().expect("no panic");
            assert_eq!(found.as_deref(), Some("imgdelta-beside"));
            Ok(())
        })
    }
}
