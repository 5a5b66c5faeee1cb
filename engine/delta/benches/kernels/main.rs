//! How many instructions the innermost loops take: a figure that a busy machine does not change, so that CI can tell when a change makes one slower.
//!
//! `cargo bench -p imgdelta-delta --bench kernels [-- --accept]`. Each kernel runs under `valgrind --tool=callgrind`, which counts. What was
//! accepted last stands in `accepted.txt` beside this file; a count that is more than 5 % above it is an error. Valgrind's processor has AVX2 and
//! BMI2 where the host has, and neither SHA-NI nor AVX-512: `leaves` is what the portable vector code takes. What depends on
//! something that is not as it was when the counts were accepted (the compiler, the C library, the processor's features) is printed
//! and not compared.

mod accepted;
mod callgrind;
mod kernels;
mod made_by;

use std::process::ExitCode;

use accepted::{Accepted, Verdict};
use kernels::KERNELS;
use made_by::MadeBy;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        [] => count(false),
        ["--accept"] => count(true),
        // What runs under callgrind.
        ["--kernel", name] => kernels::run(name),
        _ => Err("usage: kernels [--accept]".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Counts all kernels, and holds them against what was accepted or accepts them.
fn count(accepts: bool) -> Result<(), String> {
    if !callgrind::is_there() {
        return match std::env::var_os("IMGDELTA_REQUIRE_PEERS") {
            Some(_) => Err("no valgrind: fixtures/peers/install.sh --kernels installs it".into()),
            None => {
                println!("skipped: no valgrind");
                Ok(())
            }
        };
    }
    let made_by = MadeBy::here()?;
    let accepted = Accepted::read()?;
    let (mut counts, mut worse) = (Vec::new(), Vec::new());
    for kernel in KERNELS {
        let count = callgrind::count(kernel.name)?;
        let verdict = accepted.judge(kernel, count, &made_by);
        println!("{:<28} {count:>12}  {verdict}", kernel.name);
        if matches!(verdict, Verdict::Worse(..)) {
            worse.push(kernel.name);
        }
        counts.push((kernel.name.to_owned(), count));
    }
    if accepts {
        return Accepted { made_by, counts }.write();
    }
    if worse.is_empty() {
        return Ok(());
    }
    Err(format!(
        "more instructions than were accepted: {}\n  if that is worth it: cargo bench -p imgdelta-delta --bench kernels -- --accept\n  \
         and commit {}, with the reason",
        worse.join(", "),
        accepted::NAME
    ))
}
