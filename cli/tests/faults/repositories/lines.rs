//! The site's end of a line while its host fails: headquarters says what the site said, and the same command goes on with it.
//!
//! What becomes of a line that is cut is asked where the command is tried as users meet it.

use super::{
    carried::both,
    points::{Again, sweep},
};
use crate::Outcome;

#[test]
fn what_is_sent_to_a_host_that_fails_is_entered_or_is_not_there() -> Outcome {
    let program = env!("CARGO_BIN_EXE_imgdelta");
    let line = format!("deploy patched --repo W/hq --to ssh://W/site --remote-program {program}");
    let inputs = ["hq/", "site/golden.qcow2"];
    sweep(&both(&[])?.doing(&line, &inputs)?, Again::Succeeds)
}
