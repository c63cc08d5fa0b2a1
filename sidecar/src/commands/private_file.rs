//! Files that only their owner may read, written whole or not at all.

use std::{
    fs, io,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It was not there.
    New,
    /// It said the same already.
    Same,
    /// It said something else.
    Replaced,
}

/// Why a file is not written.
#[derive(Debug, thiserror::Error)]
pub enum NotWritten {
    /// It is there, and nobody said that it may be replaced.
    #[error("{0} is there and says something else; --force replaces it")]
    InTheWay(PathBuf),
    /// The folder or the file cannot be used.
    #[error("{path}: {why}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: io::Error,
    },
}

/// Writes `text` to a file with mode 0600.
///
/// # Errors
/// [`NotWritten`]
pub fn write(path: &Path, text: &str, may_replace: bool) -> Result<Written, NotWritten> {
    let io = |why: io::Error| NotWritten::Io { path: path.to_owned(), why };
    let written = match fs::read(path) {
        Ok(there) if there == text.as_bytes() => {
            fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(io)?;
            return Ok(Written::Same);
        }
        Ok(_) if !may_replace => return Err(NotWritten::InTheWay(path.to_owned())),
        Ok(_) => Written::Replaced,
        Err(why) if why.kind() == io::ErrorKind::NotFound => Written::New,
        Err(why) => return Err(io(why)),
    };
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Made with mode 0600, and renamed into place when everything is in it.
    let mut file = NamedTempFile::new_in(folder).map_err(io)?;
    file.write_all(text.as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(io)?;
    match written {
        Written::New => match file.persist_noclobber(path) {
            Ok(_) => Ok(written),
            Err(why) if why.error.kind() == io::ErrorKind::AlreadyExists => {
                Err(NotWritten::InTheWay(path.to_owned()))
            }
            Err(why) => Err(io(why.error)),
        },
        Written::Same | Written::Replaced => {
            file.persist(path).map(|_| written).map_err(|why| io(why.error))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_private_and_not_replaced_by_accident() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.env");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(write(&path, "one", false).unwrap(), Written::New);
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(write(&path, "one", false).unwrap(), Written::Same);
        assert_eq!(mode(), 0o600);
        assert!(matches!(write(&path, "two", false), Err(NotWritten::InTheWay(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
        assert_eq!(write(&path, "two", true).unwrap(), Written::Replaced);
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
        assert!(write(&path.join("below"), "x", false).is_err());
    }
}
