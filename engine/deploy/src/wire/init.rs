//! A repository that is started at the other end of a line: asked for, made, said, and the conversation is over.

use std::{
    io::{Read, Write},
    path::Path,
};

use imgdelta_core::{Error, Format, Kind, Result};
use imgdelta_registry::driver_of_new;
use imgdelta_repository::catalogue::Repository;

use super::{
    frame::PROTOCOL,
    line::{Line, greeting, meet, unexpected},
    message::{Init, Made, Message, Nothing},
    root,
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
) -> Result<Made> {
    let mut line = Line::new(from, to);
    line.send(&Message::Hello(greeting()))
        .map_err(super::client::unheard)?;
    let (version, program) = match line.receive().map_err(super::client::unheard)? {
        Message::Welcome(theirs) => (meet(&theirs)?, theirs.program),
        other => return Err(unexpected(&other, "welcome")),
    };
    if version >= 2 {
        line.expect_beats();
    }
    line.send(&Message::Init(Init {
        path: path.to_owned(),
        format,
        dry_run,
    }))
    .map_err(|error| unknown(error, &program))?;
    let made = match line.receive().map_err(|error| unknown(error, &program))? {
        Message::Made(made) => made,
        other => return Err(unexpected(&other, "made")),
    };
    line.send(&Message::Bye(Nothing))?;
    match line.receive()? {
        Message::Bye(Nothing) => Ok(made),
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
pub(super) fn made(asked: &Init, root: Option<&Path>) -> Result<Made> {
    let folder = root::new_folder(&asked.path, root)?;
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
    Ok(Made {
        repository,
        default_format: asked.format,
    })
}
