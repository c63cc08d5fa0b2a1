//! Writes the seeds of the fuzz target `gate` into a folder.

use std::{env, fs, io, path::PathBuf};

use gate_stories::seeds;

fn main() -> io::Result<()> {
    let Some(folder) = env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("gate-stories: name the folder, such as fuzz/seeds/gate");
        std::process::exit(2);
    };
    fs::create_dir_all(&folder)?;
    for seed in seeds::all() {
        fs::write(folder.join(seed.name), seed.bytes())?;
    }
    println!("{} stories are in {}", seeds::all().len(), folder.display());
    Ok(())
}
