//! Cursors as callers see them: opaque, and refused if they are not ours.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::store::{FeedCursor, record::Position};

/// The text is no cursor.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cursor cannot be read")]
pub struct Unreadable;

pub(super) fn write_position(position: &Position) -> String {
    URL_SAFE_NO_PAD.encode(format!("s1 {} {}", position.created_at, position.id))
}

pub(super) fn read_position(text: &str) -> Result<Position, Unreadable> {
    let plain = plain(text)?;
    let ["s1", created_at, id] = parts(&plain)[..] else { return Err(Unreadable) };
    let id = auth_core::session_id::SessionId::parse(id).ok_or(Unreadable)?;
    Ok(Position { created_at: number(created_at)?, id: id.as_str().to_owned() })
}

pub(super) fn write_feed(cursor: &FeedCursor) -> String {
    let FeedCursor { generation, sequence, as_of } = cursor;
    URL_SAFE_NO_PAD.encode(format!("r1 {generation} {sequence} {as_of}"))
}

pub(super) fn read_feed(text: &str) -> Result<FeedCursor, Unreadable> {
    let plain = plain(text)?;
    let ["r1", generation, sequence, as_of] = parts(&plain)[..] else { return Err(Unreadable) };
    if generation.len() != 32 || !generation.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Unreadable);
    }
    Ok(FeedCursor {
        generation: generation.to_owned(),
        sequence: number(sequence)?,
        as_of: number(as_of)?,
    })
}

fn plain(text: &str) -> Result<String, Unreadable> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Unreadable)?;
    String::from_utf8(bytes).map_err(|_| Unreadable)
}

fn parts(plain: &str) -> Vec<&str> {
    plain.split(' ').collect()
}

/// Only as we write them: no sign, no leading zero, exact in Lua's numbers.
fn number(text: &str) -> Result<u64, Unreadable> {
    let number: u64 = text.parse().map_err(|_| Unreadable)?;
    if number > 1 << 53 || number.to_string() != text {
        return Err(Unreadable);
    }
    Ok(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn other_texts_are_no_cursors() {
        let feed = |text: &str| read_feed(&URL_SAFE_NO_PAD.encode(text));
        let generation = "0123456789abcdef0123456789abcdef";
        assert!(feed(&format!("r1 {generation} 1 2")).is_ok());
        for text in [
            format!("s1 {generation} 1 2"),
            format!("r1 {generation} 1"),
            format!("r1 {generation} -1 2"),
            format!("r1 {generation} 01 2"),
            format!("r1 {generation} 1 9007199254740993"),
            "r1 another 1 2".to_owned(),
        ] {
            assert_eq!(feed(&text), Err(Unreadable), "{text}");
        }
        assert_eq!(read_feed(""), Err(Unreadable));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic_and_ours_as_it_was(text: String, number in any::<u32>()) {
            let _ = (read_feed(&text), read_position(&text));
            let position =
                Position { created_at: number.into(), id: "0123456789abcdef".to_owned() };
            prop_assert_eq!(read_position(&write_position(&position)), Ok(position));
        }
    }
}
