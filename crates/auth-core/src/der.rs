//! DER (ITU-T X.690 §8, §10), as much as keys and signatures need to be handed to a host: lengths,
//! unsigned integers and what is put together from them. Nothing is read here.

const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;

/// An element: its tag, its length, its contents one behind the other.
pub(crate) fn element(tag: u8, contents: &[&[u8]]) -> Vec<u8> {
    let length: usize = contents.iter().map(|part| part.len()).sum();
    let digits = length.to_be_bytes();
    let digits = &digits[length.leading_zeros() as usize / 8..];
    let mut element = Vec::with_capacity(2 + digits.len() + length);
    element.push(tag);
    if length >= 0x80 {
        element.push(0x80 | digits.len() as u8);
        element.extend_from_slice(digits);
    } else {
        element.push(length as u8);
    }
    contents.iter().for_each(|part| element.extend_from_slice(part));
    element
}

/// Elements in an order that means something.
pub fn sequence(elements: &[&[u8]]) -> Vec<u8> {
    element(SEQUENCE, elements)
}

/// A number that is not negative, from its bytes, the highest first.
pub fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    match &bytes[zeros..] {
        [] => element(INTEGER, &[&[0]]),
        number @ [0x80..=0xff, ..] => element(INTEGER, &[&[0], number]),
        number => element(INTEGER, &[number]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_encoding() {
        assert_eq!(unsigned(&[]), [2, 1, 0]);
        assert_eq!(unsigned(&[0, 0]), [2, 1, 0]);
        assert_eq!(unsigned(&[0, 0x7f]), [2, 1, 0x7f]);
        assert_eq!(unsigned(&[0x80]), [2, 2, 0, 0x80], "the highest bit would be a sign");
    }

    #[test]
    fn long_contents_have_long_lengths() {
        for (length, head) in [
            (0x7f, &[4, 0x7f][..]),
            (0x80, &[4, 0x81, 0x80]),
            (0x100, &[4, 0x82, 1, 0]),
            (0x1_0000, &[4, 0x83, 1, 0, 0]),
        ] {
            let written = element(4, &[&vec![7; length]]);
            assert_eq!((&written[..head.len()], written.len()), (head, head.len() + length));
        }
    }
}
