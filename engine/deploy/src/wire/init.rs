//! A repository that is started at the other end of a connection: asked for, made, said, and the conversation is over.

use std::{
    io::{Read, Write},
    path::Path,
};

use imgdelta_core::{Error, Format, Kind, Result};
use imgdelta_registry::driver_of_new;
use imgdelta_repository::catalogue::Repository;

use super::{
    allowed_root,
    connection::{Connection, greeting, negotiate, no_answer, unexpected},
    frame::PROTOCOL,
    message::{Empty, Init, InitDone, Message},
};

/// Starts a repository in the folder `path` at the other end of a pair of pipes. With `dry_run` it only says whether it would.
///
/// # Errors
/// Unsupported (`site_version`), if the program there is older and starts none; Peer, if it refuses: one stands there already, or none may be had
/// there.
pub fn init_over<R: Read, W: Write>(
    from: R,
    to: W,
    path: &str,
    format: Format,
    dry_run: bool,
) -> Result<InitDone> {
    let mut connection = Connection::new(from, to);
    connection
        .send(&Message::Hello(greeting()))
        .map_err(no_answer)?;
    let (version, program) = match connection.receive().map_err(no_answer)? {
        Message::Welcome(theirs) => (negotiate(&theirs)?, theirs.program),
        other => return Err(unexpected(&other, "welcome")),
    };
    if version >= 2 {
        connection.expect_beats();
    }
    connection
        .send(&Message::Init(Init {
            path: path.to_owned(),
            format,
            dry_run,
        }))
        .map_err(|error| unknown(error, &program))?;
    let made = match connection
        .receive()
        .map_err(|error| unknown(error, &program))?
    {
        Message::InitDone(made) => made,
        other => return Err(unexpected(&other, "made")),
    };
    connection.send(&Message::Bye(Empty))?;
    match connection.receive()? {
        Message::Bye(Empty) => Ok(made),
        other => Err(unexpected(&other, "bye")),
    }
}

/// Who does not know the question says that a frame breaks the rules; nobody else does.
fn unknown(error: Error, program: &str) -> Error {
    let failure = std::error::Error::source(&error);
    let failure = failure.and_then(|source| source.downcast_ref::<super::Failure>());
    if failure.is_none_or(|failure| failure.code != PROTOCOL) {
        return error;
    }
    let message =
        format!("the program there ({program}) is older and starts no repository for others");
    Error::new(Kind::Unsupported, message)
        .with_code("site_version")
        .with_hint("run 'imgdelta repo init FOLDER' there, or bring both sides to the same release")
}

/// The site's part: the repository is started, if it may be there.
///
/// # Errors
/// Reference (`outside`), if it may not; Usage (`exists`), if one stands there; Unsupported, if images of the format are not written; Host.
pub(super) fn made(asked: &Init, root: Option<&Path>) -> Result<InitDone> {
    let folder = allowed_root::new_folder(&asked.path, root)?;
    driver_of_new(asked.format)?;
    let repository = if asked.dry_run {
        match Repository::open(&folder) {
            Err(error) if error.code() == "no_repository" => None,
            Err(error) => return Err(error),
            Ok(_) => {
                let error = Error::new(Kind::Usage, "is a repository already");
                return Err(error.with_code("exists").in_file(&folder));
            }
        }
    } else {
        Some(Repository::init(&folder, asked.format)?.about().id.clone())
    };
    Ok(InitDone {
        repository,
        default_format: asked.format,
    })
}
