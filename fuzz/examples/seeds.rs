//! Writes the seeds of every target: `seeds FOLDER`.

#[path = "../tests/seeds/mod.rs"]
mod seeds;

use std::{fs, io, path::PathBuf};

fn main() -> io::Result<()> {
    let folder = PathBuf::from(
        std::env::args()
            .nth(1)
            .unwrap_or_else(|| "target/fuzz/seeds".to_owned()),
    );
    for (name, _) in imgdelta_fuzz::TARGETS {
        fs::create_dir_all(folder.join(name))?;
        for (number, seed) in seeds::seeds(name).iter().enumerate() {
            fs::write(folder.join(name).join(format!("{number:03}")), seed)?;
        }
    }
    Ok(())
}
