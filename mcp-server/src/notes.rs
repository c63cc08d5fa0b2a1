//! Notes kept per user, in memory, bounded on every side.
//!
//! What the bounds leave: [`MAX_USERS`] × [`MAX_NOTES`] × [`MAX_TEXT`], 128 MiB at the worst.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::identity::UserId;

/// Users that may have notes at a time.
pub const MAX_USERS: usize = 1_000;
/// Notes that one user may have.
pub const MAX_NOTES: usize = 32;
/// Bytes of text that one note may have.
pub const MAX_TEXT: usize = 4_096;
/// Characters that a title may have.
pub const MAX_TITLE: usize = 64;

/// All notes of all users.
#[derive(Default)]
pub struct Notes {
    by_user: Mutex<BTreeMap<UserId, Shelf>>,
}

/// One user's notes, in the order of their titles.
pub type Shelf = BTreeMap<Title, String>;

/// The name of a note: 1 to [`MAX_TITLE`] characters, none of them a control character.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Title(String);

/// What became of a note that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// There was no note of that title.
    Created,
    /// The note of that title has a new text.
    Replaced,
}

/// Why a note was not written or deleted. Each says what the caller can do about it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The title is empty.
    #[error("a note needs a title")]
    TitleEmpty,
    /// The title is too long.
    #[error("the title has {0} characters, {MAX_TITLE} are allowed")]
    TitleTooLong(usize),
    /// The title has a line break or another control character.
    #[error("the title has a control character")]
    TitleNotPrintable,
    /// The text is too long.
    #[error("the text has {0} bytes, {MAX_TEXT} are allowed")]
    TextTooLong(usize),
    /// The user's shelf is full.
    #[error("you have {MAX_NOTES} notes already, delete one first")]
    ShelfFull,
    /// No room for another user.
    #[error("this server keeps notes for {MAX_USERS} users and has no room for another")]
    NoRoom,
    /// Nothing to delete.
    #[error("you have no note with the title {:?}", .0.as_str())]
    NotFound(Title),
}

impl Title {
    /// Checks a title.
    ///
    /// # Errors
    /// [`Refused`] says which rule it breaks.
    pub fn new(title: String) -> Result<Self, Refused> {
        let length = title.chars().count();
        if length == 0 {
            return Err(Refused::TitleEmpty);
        }
        if length > MAX_TITLE {
            return Err(Refused::TitleTooLong(length));
        }
        if title.chars().any(char::is_control) {
            return Err(Refused::TitleNotPrintable);
        }
        Ok(Self(title))
    }

    /// The title as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Notes {
    /// A copy of one user's notes.
    pub fn of(&self, user: &UserId) -> Shelf {
        self.lock().get(user).cloned().unwrap_or_default()
    }

    /// Writes a note, in place of the one with the same title if there is one.
    ///
    /// # Errors
    /// [`Refused`] where a bound would be passed; nothing is changed then.
    pub fn write(&self, user: &UserId, title: Title, text: String) -> Result<Written, Refused> {
        if text.len() > MAX_TEXT {
            return Err(Refused::TextTooLong(text.len()));
        }
        let mut by_user = self.lock();
        if !by_user.contains_key(user) && by_user.len() >= MAX_USERS {
            return Err(Refused::NoRoom);
        }
        let shelf = by_user.entry(user.clone()).or_default();
        if !shelf.contains_key(&title) && shelf.len() >= MAX_NOTES {
            return Err(Refused::ShelfFull);
        }
        Ok(match shelf.insert(title, text) {
            None => Written::Created,
            Some(_) => Written::Replaced,
        })
    }

    /// Deletes a note. A user's last note takes the user's place with it.
    ///
    /// # Errors
    /// [`Refused::NotFound`] if the user has no such note.
    pub fn delete(&self, user: &UserId, title: Title) -> Result<(), Refused> {
        let mut by_user = self.lock();
        let Some(shelf) = by_user.get_mut(user) else { return Err(Refused::NotFound(title)) };
        if shelf.remove(&title).is_none() {
            return Err(Refused::NotFound(title));
        }
        if shelf.is_empty() {
            by_user.remove(user);
        }
        Ok(())
    }

    /// No change leaves the map half made, so a poisoned lock guards sound data.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<UserId, Shelf>> {
        self.by_user.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts, never contents.
impl fmt::Debug for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notes").field("users", &self.lock().len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue};

    use super::{MAX_NOTES, MAX_TEXT, MAX_TITLE, MAX_USERS, Notes, Refused, Title, Written};
    use crate::identity::{Identity, USER_ID, UserId};

    #[test]
    fn each_user_sees_only_their_own_notes() {
        let notes = Notes::default();
        notes.write(&user("alice"), title("plan"), "hers".into()).unwrap();
        notes.write(&user("bob"), title("plan"), "his".into()).unwrap();
        assert_eq!(notes.of(&user("alice"))[&title("plan")], "hers");
        notes.delete(&user("alice"), title("plan")).unwrap();
        assert!(notes.of(&user("alice")).is_empty());
        assert_eq!(notes.of(&user("bob"))[&title("plan")], "his");
    }

    #[test]
    fn writing_twice_replaces() {
        let notes = Notes::default();
        assert_eq!(notes.write(&user("a"), title("t"), "1".into()), Ok(Written::Created));
        assert_eq!(notes.write(&user("a"), title("t"), "2".into()), Ok(Written::Replaced));
        assert_eq!(notes.of(&user("a"))[&title("t")], "2");
    }

    #[test]
    fn deleting_what_is_not_there_is_said() {
        let notes = Notes::default();
        assert_eq!(notes.delete(&user("a"), title("t")), Err(Refused::NotFound(title("t"))));
    }

    #[test]
    fn titles_are_checked() {
        assert_eq!(Title::new(String::new()), Err(Refused::TitleEmpty));
        assert_eq!(Title::new("ä".repeat(MAX_TITLE + 1)), Err(Refused::TitleTooLong(65)));
        assert_eq!(Title::new("a\nb".into()), Err(Refused::TitleNotPrintable));
        assert!(Title::new("ä".repeat(MAX_TITLE)).is_ok());
    }

    #[test]
    fn text_notes_and_users_are_bounded() {
        let notes = Notes::default();
        let long = "x".repeat(MAX_TEXT + 1);
        assert_eq!(notes.write(&user("a"), title("t"), long), Err(Refused::TextTooLong(4097)));

        for n in 0..MAX_NOTES {
            notes.write(&user("a"), title(&n.to_string()), String::new()).unwrap();
        }
        assert_eq!(notes.write(&user("a"), title("t"), String::new()), Err(Refused::ShelfFull));
        assert_eq!(notes.write(&user("a"), title("0"), "x".into()), Ok(Written::Replaced));

        for n in 1..MAX_USERS {
            notes.write(&user(&n.to_string()), title("t"), String::new()).unwrap();
        }
        assert_eq!(notes.write(&user("b"), title("t"), String::new()), Err(Refused::NoRoom));
        notes.delete(&user("1"), title("t")).unwrap();
        assert_eq!(notes.write(&user("b"), title("t"), String::new()), Ok(Written::Created));
    }

    fn title(text: &str) -> Title {
        Title::new(text.into()).unwrap()
    }

    fn user(id: &str) -> UserId {
        let mut headers = HeaderMap::new();
        headers.insert(USER_ID, HeaderValue::from_str(id).unwrap());
        Identity::from_headers(&headers).unwrap().user_id
    }
}
