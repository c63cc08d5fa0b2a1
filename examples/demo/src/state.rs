//! The notes of what `up` left running, in the state folder.

use std::io;
use std::path::{Path, PathBuf};

use crate::process::Found;

/// Where the notes are.
#[derive(Debug)]
pub(crate) struct State(PathBuf);

/// The notes cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("{} cannot be used: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{} is damaged ({source}): stop what runs by hand and remove it", path.display())]
    Damaged { path: PathBuf, source: serde_json::Error },
}

impl State {
    /// The notes in `folder`, which is made if need be.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(crate) fn open(folder: &Path) -> Result<Self, Unusable> {
        let path = folder.join("processes.json");
        match std::fs::create_dir_all(folder) {
            Ok(()) => Ok(Self(path)),
            Err(source) => Err(Unusable::Io { path: folder.into(), source }),
        }
    }

    /// What was noted; empty if nothing was.
    ///
    /// # Errors
    /// If there are notes that cannot be read.
    pub(crate) fn read(&self) -> Result<Vec<Found>, Unusable> {
        match std::fs::read(&self.0) {
            Ok(json) => serde_json::from_slice(&json)
                .map_err(|source| Unusable::Damaged { path: self.0.clone(), source }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(e) => Err(self.io(e)),
        }
    }

    /// Notes these in place of what was noted.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(crate) fn write(&self, processes: &[Found]) -> Result<(), Unusable> {
        let json = serde_json::to_vec_pretty(processes).map_err(|e| self.io(e.into()))?;
        // Whoever reads meanwhile finds all of it or nothing.
        let whole = self.0.with_extension("new");
        std::fs::write(&whole, json)
            .and_then(|()| std::fs::rename(&whole, &self.0))
            .map_err(|e| self.io(e))
    }

    /// Removes the notes, if there are any.
    ///
    /// # Errors
    /// If the file cannot be removed.
    pub(crate) fn forget(&self) -> Result<(), Unusable> {
        match std::fs::remove_file(&self.0) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(self.io(e)),
            _ => Ok(()),
        }
    }

    fn io(&self, source: io::Error) -> Unusable {
        Unusable::Io { path: self.0.clone(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::{State, Unusable};

    #[test]
    fn no_notes_are_no_processes_and_damaged_ones_are_said() {
        let folder = std::env::temp_dir().join(format!("mcp-demo-state-{}", std::process::id()));
        let state = State::open(&folder).unwrap();
        assert!(state.read().unwrap().is_empty());
        state.forget().unwrap();
        std::fs::write(folder.join("processes.json"), "{").unwrap();
        assert!(matches!(state.read(), Err(Unusable::Damaged { .. })));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
