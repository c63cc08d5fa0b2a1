//! A number of a JSON text (RFC 8259 §6), read in pieces: its form, and whether it is one that every
//! reader can hold.

use super::json_stream::NotJson;

/// Numbers of ten to this and larger are refused: readers disagree about them, and a double ends a
/// little beyond.
const LARGEST_EXPONENT: i64 = 308;

/// The number that is being read.
pub(super) struct JsonNumber {
    step: Step,
    /// The power of ten of the first digit that is not zero, once there is one.
    leading: Option<i64>,
    /// How many digits of the integer part, or zeros behind the point, were read.
    digits: i64,
    exponent: i64,
    exponent_is_negative: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Minus,
    Zero,
    Integer,
    Point,
    Fraction,
    Mark,
    Sign,
    Exponent,
}

impl JsonNumber {
    /// The number that begins with `byte`, if one can.
    pub(super) fn begin(byte: u8) -> Option<Self> {
        let mut number = Self {
            step: Step::Minus,
            leading: None,
            digits: 0,
            exponent: 0,
            exponent_is_negative: false,
        };
        (byte == b'-' || number.take(byte)).then_some(number)
    }

    /// Whether `byte` goes on with the number.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        self.step = match (self.step, byte) {
            (Step::Minus, b'0') => Step::Zero,
            (Step::Minus | Step::Integer, b'0'..=b'9') => {
                self.digits += 1;
                Step::Integer
            }
            (Step::Zero | Step::Integer, b'.') => {
                self.integer_ends();
                Step::Point
            }
            (Step::Point | Step::Fraction, b'0'..=b'9') => {
                self.fraction_digit(byte);
                Step::Fraction
            }
            (Step::Zero | Step::Integer | Step::Fraction, b'e' | b'E') => {
                self.integer_ends();
                Step::Mark
            }
            (Step::Mark, b'+' | b'-') => {
                self.exponent_is_negative = byte == b'-';
                Step::Sign
            }
            (Step::Mark | Step::Sign | Step::Exponent, b'0'..=b'9') => {
                let digit = i64::from(byte - b'0');
                self.exponent = self.exponent.saturating_mul(10).saturating_add(digit);
                Step::Exponent
            }
            _ => return false,
        };
        true
    }

    /// Checks that the number is whole and not too large.
    pub(super) fn end(mut self) -> Result<(), NotJson> {
        match self.step {
            Step::Zero | Step::Integer => self.integer_ends(),
            Step::Fraction | Step::Exponent => {}
            Step::Minus | Step::Point | Step::Mark | Step::Sign => return Err(NotJson::Syntax),
        }
        let exponent = if self.exponent_is_negative { -self.exponent } else { self.exponent };
        match self.leading.map(|leading| leading.saturating_add(exponent)) {
            Some(magnitude) if magnitude >= LARGEST_EXPONENT => Err(NotJson::Number),
            Some(_) | None => Ok(()),
        }
    }

    fn integer_ends(&mut self) {
        if self.leading.is_none() && self.step == Step::Integer {
            self.leading = Some(self.digits - 1);
        }
        self.digits = 0;
    }

    fn fraction_digit(&mut self, byte: u8) {
        self.digits += 1;
        if self.leading.is_none() && byte != b'0' {
            self.leading = Some(-self.digits);
        }
    }
}
