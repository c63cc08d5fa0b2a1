//! JSON-RPC 2.0 messages as they arrive, in pieces of any size: which calls a body makes. Everything
//! else in it is checked and let go.
//!
//! It is strict where two readers could read two calls: members that differ from one that matters
//! only in case are refused too, since some readers do not tell them apart.

use super::{
    call::{Call, NameMember},
    json_stream::{JsonStream, NotJson, Token},
};

/// Messages of one batch, at most.
const MOST_MESSAGES: usize = 100;
/// The longest method.
const LONGEST_METHOD: usize = 256;

/// Why a body is not JSON-RPC, or could be read in two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotJsonRpc {
    /// No careful reader takes it for JSON.
    #[error("the body is {0}")]
    Json(#[from] NotJson),
    /// JSON, but neither a message nor a batch of some.
    #[error("the body is neither a JSON-RPC message nor a batch")]
    Shape,
    /// A message without a usable `method` that answers nothing either, or one that does both.
    #[error("a message is neither a call nor an answer")]
    Message,
    /// A member that some readers take for another.
    #[error("a member differs from one that matters in case only")]
    Alike,
    /// More messages than are read.
    #[error("a batch has more than {MOST_MESSAGES} messages")]
    Batch,
}

/// Reads one body.
///
/// ```
/// use auth_core::mcp::message::MessageReader;
/// let mut calls = Vec::new();
/// let mut reader = MessageReader::new();
/// for piece in [r#"{"jsonrpc":"2.0","id":1,"method":"tools/ca"#, r#"ll","params":{"name":"add"}}"#] {
///     reader.feed(piece.as_bytes(), |call| calls.push(call))?;
/// }
/// assert_eq!(reader.finish(|call| calls.push(call))?, 1);
/// assert_eq!(calls[0].name.as_deref(), Some("add"));
/// # Ok::<(), auth_core::mcp::message::NotJsonRpc>(())
/// ```
pub struct MessageReader {
    json: JsonStream,
    messages: Messages,
}

impl Default for MessageReader {
    fn default() -> Self {
        Self::new()
    }
}

impl MessageReader {
    /// A reader at the beginning of a body.
    pub fn new() -> Self {
        Self { json: JsonStream::new(), messages: Messages::default() }
    }

    /// Reads the next bytes; `on_call` gets each call that ends in them.
    ///
    /// # Errors
    /// [`NotJsonRpc`]; the reader is of no use afterwards.
    pub fn feed(&mut self, bytes: &[u8], mut on_call: impl FnMut(Call)) -> Result<(), NotJsonRpc> {
        self.json.feed(bytes, |token| self.messages.take(token, &mut on_call))
    }

    /// Checks that the body is complete. Returns how many messages it has, answers included.
    ///
    /// # Errors
    /// [`NotJsonRpc`] if it is not.
    pub fn finish(&mut self, mut on_call: impl FnMut(Call)) -> Result<usize, NotJsonRpc> {
        self.json.finish(|token| self.messages.take(token, &mut on_call))?;
        match self.messages.count {
            0 => Err(NotJsonRpc::Shape),
            count => Ok(count),
        }
    }

    /// How many bytes are kept, but for what every reader keeps: less than 20 KiB.
    pub(crate) fn kept(&self) -> usize {
        self.json.kept()
    }

    /// Whether the body is a batch.
    pub fn is_batch(&self) -> bool {
        self.messages.floor == 1
    }
}

/// What has been read of the messages.
#[derive(Default)]
struct Messages {
    depth: usize,
    /// How deep messages lie: 1 in a batch, else 0.
    floor: usize,
    count: usize,
    draft: Draft,
}

/// A message that is being read.
#[derive(Default)]
struct Draft {
    is_json_rpc: bool,
    method: Option<String>,
    answers: bool,
    name: Option<String>,
    uri: Option<String>,
    /// Whose value comes next, or is open.
    member: Member,
    /// The same in `params`.
    parameter: Member,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Member {
    #[default]
    Other,
    JsonRpc,
    Method,
    Params,
    /// `result` or `error`.
    Answer,
    Name,
    Uri,
}

const OF_MESSAGE: [(&str, Member); 5] = [
    ("jsonrpc", Member::JsonRpc),
    ("method", Member::Method),
    ("params", Member::Params),
    ("result", Member::Answer),
    ("error", Member::Answer),
];
const OF_PARAMS: [(&str, Member); 2] = [("name", Member::Name), ("uri", Member::Uri)];

impl Messages {
    fn take(&mut self, token: Token<'_>, on_call: &mut impl FnMut(Call)) -> Result<(), NotJsonRpc> {
        match token {
            Token::ArrayStart if self.depth == 0 => self.floor = 1,
            Token::ObjectStart if self.depth == self.floor => {
                if self.count == MOST_MESSAGES {
                    return Err(NotJsonRpc::Batch);
                }
                self.count += 1;
                self.draft = Draft::default();
            }
            Token::ObjectEnd if self.depth == self.floor + 1 => self.draft.end(on_call)?,
            Token::ObjectEnd | Token::ArrayEnd => {}
            _ if self.depth == self.floor => return Err(NotJsonRpc::Shape),
            _ => self.draft.take(token, self.depth - self.floor)?,
        }
        match token {
            Token::ObjectStart | Token::ArrayStart => self.depth += 1,
            Token::ObjectEnd | Token::ArrayEnd => self.depth -= 1,
            Token::Key(_) | Token::Text(_) | Token::Null | Token::Scalar => {}
        }
        Ok(())
    }
}

impl Draft {
    /// Takes what stands at `depth` in the message: 1 for its members, 2 for those of `params`.
    fn take(&mut self, token: Token<'_>, depth: usize) -> Result<(), NotJsonRpc> {
        match (depth, token) {
            (1, Token::Key(name)) => {
                self.member = member(name, &OF_MESSAGE)?;
                self.parameter = Member::Other;
            }
            (1, value) => self.member_value(value)?,
            (2, Token::Key(name)) if self.member == Member::Params => {
                self.parameter = member(name, &OF_PARAMS)?;
            }
            (2, Token::Text(text)) => match self.parameter {
                Member::Name => self.name = text.and_then(printable),
                Member::Uri => self.uri = text.and_then(printable),
                _ => {}
            },
            _ => {}
        }
        Ok(())
    }

    fn member_value(&mut self, value: Token<'_>) -> Result<(), NotJsonRpc> {
        match (self.member, value) {
            (Member::JsonRpc, Token::Text(Some("2.0"))) => self.is_json_rpc = true,
            (Member::Method, Token::Text(Some(method))) if method.len() <= LONGEST_METHOD => {
                self.method = printable(method);
            }
            (Member::JsonRpc | Member::Method, _) => return Err(NotJsonRpc::Message),
            (Member::Params, Token::Text(_) | Token::Scalar) => return Err(NotJsonRpc::Message),
            (Member::Answer, _) => self.answers = true,
            (Member::Params | Member::Other | Member::Name | Member::Uri, _) => {}
        }
        Ok(())
    }

    fn end(&mut self, on_call: &mut impl FnMut(Call)) -> Result<(), NotJsonRpc> {
        match (self.method.take(), self.answers, self.is_json_rpc) {
            (Some(method), false, true) => {
                let name = NameMember::of(&method).and_then(|member| match member {
                    NameMember::Name => self.name.take(),
                    NameMember::Uri => self.uri.take(),
                });
                on_call(Call { method, name });
                Ok(())
            }
            (None, true, true) => Ok(()),
            _ => Err(NotJsonRpc::Message),
        }
    }
}

/// Which of the members that matter `name` is.
fn member(name: Option<&str>, all: &[(&str, Member)]) -> Result<Member, NotJsonRpc> {
    let Some(name) = name else { return Ok(Member::Other) };
    match all.iter().find(|(other, _)| is_alike(name, other)) {
        Some((exact, member)) if *exact == name => Ok(*member),
        Some(_) => Err(NotJsonRpc::Alike),
        None => Ok(Member::Other),
    }
}

/// Whether a reader that folds case could take `name` for `lowercase`. Two characters outside ASCII
/// fold to letters in it.
fn is_alike(name: &str, lowercase: &str) -> bool {
    let fold = |character: char| match character {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        _ => character.to_ascii_lowercase(),
    };
    name.chars().map(fold).eq(lowercase.chars())
}

/// A text as a name: what a control character does to it, readers disagree about.
fn printable(text: &str) -> Option<String> {
    (!text.chars().any(char::is_control)).then(|| text.to_owned())
}
