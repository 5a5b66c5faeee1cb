//! Media that are reached in one folder, one after another: the user is asked for each.

use std::{
    io::{self, IsTerminal, Write},
    path::Path,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use imgdelta::core::{Error, Kind, Result};
use imgdelta::deploy::{AskForMedium, bundle::MediumNumber};

use super::Run;
use crate::report::clean;

/// How often it is looked whether the run was stopped meanwhile.
const LOOK: Duration = Duration::from_millis(100);

/// What asks; nobody can be asked where there is no terminal.
pub(super) fn asking(run: &Run<'_>) -> AskForMedium {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return AskForMedium::default();
    }
    let progress = std::sync::Arc::clone(run.run_progress);
    let phases = run.display.phases();
    AskForMedium::by(move |medium, folder| {
        // Where there is a bar, it stands in the place of what is written.
        let (number, of) = (medium.number, medium.of);
        phases.begin(format!("put in medium {number} of {of} and press Enter"));
        ask(medium, folder)?;
        let answer = answered();
        loop {
            progress.go_on()?;
            match answer.recv_timeout(LOOK) {
                Ok(Ok(0)) | Err(RecvTimeoutError::Disconnected) => return Err(given_up()),
                Ok(answer) => {
                    return answer
                        .map(drop)
                        .map_err(|cause| Error::host("cannot ask", cause));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    })
}

fn ask(medium: MediumNumber, folder: &Path) -> Result<()> {
    let question = format!(
        "Put in medium {} of {}, so that it is {}, and press Enter: ",
        medium.number,
        medium.of,
        folder.display()
    );
    let mut err = io::stderr().lock();
    let asked = write!(err, "{}", clean(&question)).and_then(|()| err.flush());
    asked.map_err(|cause| Error::host("cannot ask", cause))
}

/// The line that is typed, read aside: Ctrl-C must end the run, and take away what was packed.
fn answered() -> mpsc::Receiver<io::Result<usize>> {
    let (to, answer) = mpsc::channel();
    thread::spawn(move || {
        let _ = to.send(io::stdin().read_line(&mut String::new()));
    });
    answer
}

fn given_up() -> Error {
    Error::new(Kind::Usage, "no further medium came")
        .with_code("no_medium")
        .with_hint("media that were finished are whole; run the same line again for the others")
}
