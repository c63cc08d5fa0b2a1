//! JSON (RFC 8259) as it arrives, in pieces of any size: a reader that checks every byte, keeps none
//! of the text but a few bounded strings, and is as strict as [`crate::json`]: one value and nothing
//! behind it, no member twice, at any depth.

use super::{json_number::JsonNumber, json_text::JsonText};
use crate::name_digest::NameDigest;

/// Nesting is followed so deep; `serde_json` stops there too.
const DEEPEST: usize = 127;
/// Strings are handed out down to this depth.
const DEEPEST_TEXT: usize = 3;
/// Members of all the objects that are open at a time, at most.
const MOST_MEMBERS: usize = 65_536;

/// Why bytes are not JSON, or no JSON that two readers would surely read alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotJson {
    /// Against the grammar, or incomplete.
    #[error("not JSON")]
    Syntax,
    /// Not UTF-8, or half of a surrogate pair.
    #[error("not Unicode")]
    Encoding,
    /// An object names a member twice.
    #[error("a member is there twice")]
    Duplicate,
    /// Nested too deep.
    #[error("nested too deep")]
    Depth,
    /// More members than are compared.
    #[error("too many members")]
    Members,
    /// A number that not every reader can hold.
    #[error("a number out of range")]
    Number,
}

/// A piece of the grammar. Texts are there at the first three depths, up to 4,096 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'t> {
    ObjectStart,
    ObjectEnd,
    ArrayStart,
    ArrayEnd,
    Key(Option<&'t str>),
    Text(Option<&'t str>),
    Null,
    /// A number or a boolean.
    Scalar,
}

/// The reader.
pub(super) struct JsonStream {
    state: State,
    text: JsonText,
    open: Vec<Open>,
    /// Digests of the names of the members of every open object.
    members: Vec<NameDigest>,
}

enum Open {
    Array,
    /// The object's members are those from this place.
    Object(usize),
}

enum State {
    Value,
    /// Behind `[`: a value or the end.
    FirstItem,
    /// Behind `{`: a name or the end.
    FirstKey,
    /// Behind a comma in an object.
    NextKey,
    Colon,
    /// Behind a value: a comma or an end; at the outermost level only white space.
    AfterValue,
    Key,
    Text,
    Number(JsonNumber),
    /// The bytes of `true`, `false` or `null` that are still to come.
    Literal(&'static [u8], Token<'static>),
}

impl JsonStream {
    pub(super) fn new() -> Self {
        let (open, members) = (Vec::new(), Vec::new());
        Self { state: State::Value, text: JsonText::new(), open, members }
    }

    /// How many bytes are kept, but for what every reader keeps.
    pub(super) fn kept(&self) -> usize {
        self.members.capacity() * size_of::<NameDigest>()
    }

    /// Reads the next bytes and hands out what they say.
    pub(super) fn feed<E: From<NotJson>>(
        &mut self,
        bytes: &[u8],
        mut hand: impl FnMut(Token<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = bytes;
        while let Some((&byte, behind)) = rest.split_first() {
            match &mut self.state {
                State::Key | State::Text => {
                    let (taken, ended) = self.text.read(rest)?;
                    rest = &rest[taken..];
                    if ended {
                        self.end_text(&mut hand)?;
                    }
                    continue;
                }
                State::Number(number) => {
                    if !number.take(byte) {
                        self.end_number(&mut hand)?;
                        continue;
                    }
                }
                State::Literal(left, token) => {
                    let token = *token;
                    match left.split_first() {
                        Some((expected, left)) if *expected == byte => {
                            self.state = State::Literal(left, token);
                            if left.is_empty() {
                                self.state = State::AfterValue;
                                hand(token)?;
                            }
                        }
                        _ => return Err(NotJson::Syntax.into()),
                    }
                }
                State::Value
                | State::FirstItem
                | State::FirstKey
                | State::NextKey
                | State::Colon
                | State::AfterValue => {
                    if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
                        && let Some(token) = self.structure(byte)?
                    {
                        hand(token)?;
                    }
                }
            }
            rest = behind;
        }
        Ok(())
    }

    /// Checks that the text is complete.
    pub(super) fn finish<E: From<NotJson>>(
        &mut self,
        mut hand: impl FnMut(Token<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if matches!(self.state, State::Number(_)) {
            self.end_number(&mut hand)?;
        }
        match (&self.state, self.open.is_empty()) {
            (State::AfterValue, true) => Ok(()),
            _ => Err(NotJson::Syntax.into()),
        }
    }

    /// A byte between values.
    fn structure(&mut self, byte: u8) -> Result<Option<Token<'static>>, NotJson> {
        match (&self.state, self.open.last(), byte) {
            (State::FirstKey | State::NextKey, _, b'"') => self.begin_text(State::Key),
            (State::Colon, _, b':') => self.state = State::Value,
            (State::AfterValue, Some(Open::Array), b',') => self.state = State::Value,
            (State::AfterValue, Some(Open::Object(_)), b',') => self.state = State::NextKey,
            (State::AfterValue | State::FirstItem, Some(Open::Array), b']') => {
                self.open.pop();
                self.state = State::AfterValue;
                return Ok(Some(Token::ArrayEnd));
            }
            (State::AfterValue | State::FirstKey, Some(Open::Object(from)), b'}') => {
                let from = *from;
                self.end_object(from)?;
                return Ok(Some(Token::ObjectEnd));
            }
            (State::Value | State::FirstItem, ..) => return self.begin_value(byte),
            _ => return Err(NotJson::Syntax),
        }
        Ok(None)
    }

    fn begin_value(&mut self, byte: u8) -> Result<Option<Token<'static>>, NotJson> {
        let (state, token) = match byte {
            b'"' => {
                self.begin_text(State::Text);
                return Ok(None);
            }
            b'{' => {
                self.open.push(Open::Object(self.members.len()));
                (State::FirstKey, Some(Token::ObjectStart))
            }
            b'[' => {
                self.open.push(Open::Array);
                (State::FirstItem, Some(Token::ArrayStart))
            }
            b't' => (State::Literal(b"rue", Token::Scalar), None),
            b'f' => (State::Literal(b"alse", Token::Scalar), None),
            b'n' => (State::Literal(b"ull", Token::Null), None),
            _ => (State::Number(JsonNumber::begin(byte).ok_or(NotJson::Syntax)?), None),
        };
        self.state = state;
        if self.open.len() > DEEPEST { Err(NotJson::Depth) } else { Ok(token) }
    }

    fn begin_text(&mut self, state: State) {
        self.state = state;
        self.text.begin(self.open.len() <= DEEPEST_TEXT);
    }

    fn end_text<E: From<NotJson>>(
        &mut self,
        hand: &mut impl FnMut(Token<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let is_key = matches!(self.state, State::Key);
        let text = self.text.text();
        if !is_key {
            self.state = State::AfterValue;
            return hand(Token::Text(text));
        }
        if self.members.len() == MOST_MEMBERS {
            return Err(NotJson::Members.into());
        }
        self.members.push(self.text.digest());
        self.state = State::Colon;
        hand(Token::Key(text))
    }

    fn end_number<E: From<NotJson>>(
        &mut self,
        hand: &mut impl FnMut(Token<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let state = std::mem::replace(&mut self.state, State::AfterValue);
        if let State::Number(number) = state {
            number.end()?;
        }
        hand(Token::Scalar)
    }

    fn end_object(&mut self, from: usize) -> Result<(), NotJson> {
        let own = &mut self.members[from..];
        if NameDigest::find_twin(own).is_some() {
            return Err(NotJson::Duplicate);
        }
        self.members.truncate(from);
        self.open.pop();
        self.state = State::AfterValue;
        Ok(())
    }
}
