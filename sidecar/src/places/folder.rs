//! Secrets in the files of a folder, laid out as Kubernetes mounts its Secrets. The notes of a file
//! are beside it, in `NAME.rotation.json`; whoever changes something holds a lock meanwhile.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use super::{Held, Named, NotKept};
use crate::{private_file, secret::Secret};

const LOCK: &str = ".mcp-auth.lock";

/// A folder.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(super) fn read(&self, named: Named) -> Result<Option<Held>, NotKept> {
        let file = self.0.join(named.key());
        let Some(value) = text(&file)? else { return Ok(None) };
        let value = Secret::new(value.trim_end_matches(['\r', '\n']));
        Ok(Some(Held { value, notes: text(&self.notes(named))? }))
    }

    pub(super) fn change<E: From<NotKept>>(
        &self,
        named: Named,
        mut decide: impl FnMut(Option<Held>) -> Result<Option<Held>, E>,
    ) -> Result<(), E> {
        let _lock = self.lock()?;
        let Some(new) = decide(self.read(named)?)? else { return Ok(()) };
        // The notes first: those that fit no key are forgotten, a key without notes would be taken
        // for an old one.
        if let Some(notes) = &new.notes {
            write(&self.notes(named), notes)?;
        }
        Ok(write(&self.0.join(named.key()), new.value.expose())?)
    }

    fn notes(&self, named: Named) -> PathBuf {
        self.0.join(format!("{}.rotation.json", named.key()))
    }

    /// Ends with the file.
    fn lock(&self) -> Result<File, NotKept> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0);
        made.map_err(|why| NotKept::File { path: self.0.clone(), why })?;
        let path = self.0.join(LOCK);
        let locked = File::options().create(true).append(true).open(&path);
        let locked = locked.and_then(|file| file.lock().map(|()| file));
        locked.map_err(|why| NotKept::File { path, why })
    }
}

fn text(path: &Path) -> Result<Option<String>, NotKept> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(why) => Err(NotKept::File { path: path.to_owned(), why }),
    }
}

fn write(path: &Path, text: &str) -> Result<(), NotKept> {
    private_file::replace(path, text).map_err(|why| NotKept::File { path: path.to_owned(), why })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn of_changes_at_once_none_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let place = Arc::new(Folder::new(folder.path().join("secrets")));
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let place = Arc::clone(&place);
                std::thread::spawn(move || {
                    for _ in 0..5 {
                        let more = |held: Option<Held>| {
                            let so_far = held.map_or(0, |it| it.value.expose().len());
                            let value = Secret::new("x".repeat(so_far + 1));
                            Ok::<_, NotKept>(Some(Held { value, notes: Some("{}".to_owned()) }))
                        };
                        place.change(Named::Token, more).unwrap();
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let held = place.read(Named::Token).unwrap().unwrap();
        assert_eq!((held.value.expose().len(), held.notes.as_deref()), (40, Some("{}")));
        assert!(place.read(Named::SigningKey).unwrap().is_none());
    }
}
