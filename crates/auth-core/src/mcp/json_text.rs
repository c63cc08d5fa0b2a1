//! A string of a JSON text (RFC 8259 §7), read in pieces: escapes and UTF-8 are decoded as they come,
//! and what is kept of it is bounded.

use super::json_stream::NotJson;
use crate::name_digest::NameDigest;

/// The most bytes of one string that are kept.
pub(super) const MOST_TEXT: usize = 4096;

/// The string that is being read, after its opening quote.
pub(super) struct JsonText {
    step: Step,
    /// Whether anybody will ask for the text.
    keep: bool,
    kept: Vec<u8>,
    /// Of the whole text.
    digest: NameDigest,
}

/// What the next byte has to be.
#[derive(Clone, Copy)]
enum Step {
    Plain,
    /// Behind a backslash.
    Escape,
    /// In `\uXXXX`: the digits to come, and the value so far. `high` is the surrogate before it.
    Hex {
        left: u8,
        value: u16,
        high: Option<u16>,
    },
    /// The backslash that has to follow a high surrogate.
    LowEscape(u16),
    /// The `u` that has to follow that backslash.
    LowMark(u16),
    /// In a character of several bytes: the bytes to come, and the range of the next one.
    Utf8 {
        left: u8,
        from: u8,
        to: u8,
    },
}

impl JsonText {
    pub(super) fn new() -> Self {
        Self { step: Step::Plain, keep: false, kept: Vec::new(), digest: NameDigest::EMPTY }
    }

    /// Begins another string.
    pub(super) fn begin(&mut self, keep: bool) {
        self.step = Step::Plain;
        self.keep = keep;
        self.kept.clear();
        self.digest = NameDigest::EMPTY;
    }

    /// The text, unless nobody was to ask for it or it was too long to keep.
    pub(super) fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.kept).ok().filter(|_| self.keep)
    }

    pub(super) fn digest(&self) -> NameDigest {
        self.digest
    }

    /// Reads up to the closing quote: how many bytes that took, and whether it was there.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<(usize, bool), NotJson> {
        for (at, &byte) in bytes.iter().enumerate() {
            match self.step {
                Step::Plain if byte == b'"' => return Ok((at + 1, true)),
                Step::Plain => self.plain(byte)?,
                Step::Escape => self.escaped(byte)?,
                Step::Hex { left, value, high } => self.hex(byte, left, value, high)?,
                Step::LowEscape(high) if byte == b'\\' => self.step = Step::LowMark(high),
                Step::LowMark(high) if byte == b'u' => {
                    self.step = Step::Hex { left: 4, value: 0, high: Some(high) };
                }
                Step::LowEscape(_) | Step::LowMark(_) => return Err(NotJson::Encoding),
                Step::Utf8 { left, from, to } => {
                    if !(from..=to).contains(&byte) {
                        return Err(NotJson::Encoding);
                    }
                    self.push(byte);
                    self.step = match left {
                        1 => Step::Plain,
                        _ => Step::Utf8 { left: left - 1, from: 0x80, to: 0xbf },
                    };
                }
            }
        }
        Ok((bytes.len(), false))
    }

    /// A byte that stands for itself, or begins a character (Unicode, table 3-7).
    fn plain(&mut self, byte: u8) -> Result<(), NotJson> {
        self.step = match byte {
            b'\\' => {
                self.step = Step::Escape;
                return Ok(());
            }
            ..=0x1f => return Err(NotJson::Syntax),
            0x20..=0x7f => Step::Plain,
            0xc2..=0xdf => Step::Utf8 { left: 1, from: 0x80, to: 0xbf },
            0xe0 => Step::Utf8 { left: 2, from: 0xa0, to: 0xbf },
            0xed => Step::Utf8 { left: 2, from: 0x80, to: 0x9f },
            0xe1..=0xef => Step::Utf8 { left: 2, from: 0x80, to: 0xbf },
            0xf0 => Step::Utf8 { left: 3, from: 0x90, to: 0xbf },
            0xf1..=0xf3 => Step::Utf8 { left: 3, from: 0x80, to: 0xbf },
            0xf4 => Step::Utf8 { left: 3, from: 0x80, to: 0x8f },
            0x80..=0xc1 | 0xf5.. => return Err(NotJson::Encoding),
        };
        self.push(byte);
        Ok(())
    }

    fn escaped(&mut self, byte: u8) -> Result<(), NotJson> {
        let stands_for = match byte {
            b'"' | b'\\' | b'/' => byte,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                self.step = Step::Hex { left: 4, value: 0, high: None };
                return Ok(());
            }
            _ => return Err(NotJson::Syntax),
        };
        self.push(stands_for);
        self.step = Step::Plain;
        Ok(())
    }

    fn hex(&mut self, byte: u8, left: u8, value: u16, high: Option<u16>) -> Result<(), NotJson> {
        let digit = char::from(byte).to_digit(16).ok_or(NotJson::Syntax)?;
        let value = value << 4 | digit as u16;
        if left > 1 {
            self.step = Step::Hex { left: left - 1, value, high };
            return Ok(());
        }
        let units = high.into_iter().chain([value]);
        match (high, char::decode_utf16(units).next()) {
            (_, Some(Ok(character))) => {
                let mut buffer = [0; 4];
                character.encode_utf8(&mut buffer).bytes().for_each(|byte| self.push(byte));
                self.step = Step::Plain;
                Ok(())
            }
            (None, _) if (0xd800..0xdc00).contains(&value) => {
                self.step = Step::LowEscape(value);
                Ok(())
            }
            _ => Err(NotJson::Encoding),
        }
    }

    fn push(&mut self, byte: u8) {
        self.digest = self.digest.then(byte);
        if self.keep && self.kept.len() == MOST_TEXT {
            self.keep = false;
        }
        if self.keep {
            self.kept.push(byte);
        }
    }
}
