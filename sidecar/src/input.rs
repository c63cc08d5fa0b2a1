//! What an operator hands to a command: a file, or standard input by the name `-`.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

/// Reads it whole.
///
/// # Errors
/// [`io::Error`] if it cannot be read, is no text, or is longer than `longest` bytes.
pub fn read(path: &Path, longest: u64) -> io::Result<String> {
    let mut text = String::new();
    let read = match path == Path::new("-") {
        true => io::stdin().lock().take(longest + 1).read_to_string(&mut text)?,
        false => File::open(path)?.take(longest + 1).read_to_string(&mut text)?,
    };
    match read as u64 > longest {
        true => Err(io::Error::other(format!("it is longer than {longest} bytes"))),
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_refused_and_not_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), "12345");
        assert_eq!(read(&path, 4).unwrap_err().to_string(), "it is longer than 4 bytes");
    }
}
