//! Files that only their owner may read, written whole or not at all.

use std::{
    fs, io,
    io::Write,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
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
    let file = draft(path, text).map_err(io)?;
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

/// Puts a file with this text in the place of whatever is there, in one step. One that was there keeps
/// its mode and owner, so that whoever reads it still can.
///
/// # Errors
/// The file system's; what was there is still there then.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    let file = draft(path, text)?;
    if let Ok(there) = fs::metadata(path) {
        let ours = file.as_file().metadata()?;
        if (there.uid(), there.gid()) != (ours.uid(), ours.gid()) {
            chown(file.path(), Some(there.uid()), Some(there.gid()))?;
        }
        let mode = fs::Permissions::from_mode(there.mode() & 0o7777);
        file.as_file().set_permissions(mode)?;
    }
    file.persist(path)?;
    fs::File::open(folder(path))?.sync_all()
}

/// Made with mode 0600, to be renamed into place when everything is in it.
fn draft(path: &Path, text: &str) -> io::Result<NamedTempFile> {
    let mut file = NamedTempFile::new_in(folder(path))?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."))
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

    #[test]
    fn a_file_that_is_replaced_keeps_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        replace(&path, "one").unwrap();
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), mode()), ("one", 0o600));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        replace(&path, "two").unwrap();
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), mode()), ("two", 0o640));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }
}
