//! The two encodings of the Proxy-Wasm ABI: header maps and property paths.

use crate::headers::Headers;

/// Header map: a count, the sizes of all names and values, then the NUL-ended strings.
pub(crate) fn encode_map(headers: &Headers) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&size(headers.len()));
    for (name, value) in headers.iter_bytes() {
        bytes.extend_from_slice(&size(name.len()));
        bytes.extend_from_slice(&size(value.len()));
    }
    for (name, value) in headers.iter_bytes() {
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(value);
        bytes.push(0);
    }
    bytes
}

/// Reads what [`encode_map`] writes; `None` where sizes and bytes disagree.
pub(crate) fn decode_map(bytes: &[u8]) -> Option<Headers> {
    if bytes.is_empty() {
        return Some(Headers::default());
    }
    let count = read_size(bytes, 0)?;
    let mut at = count.checked_mul(8)?.checked_add(4)?;
    let mut headers = Headers::default();
    for n in 0..count {
        let name = read_string(bytes, &mut at, read_size(bytes, 4 + n * 8)?)?;
        let value = read_string(bytes, &mut at, read_size(bytes, 8 + n * 8)?)?;
        headers.add(std::str::from_utf8(name).ok()?, value);
    }
    Some(headers)
}

/// Property path: its segments with a NUL between each two.
pub(crate) fn encode_path<S: AsRef<str>>(path: impl IntoIterator<Item = S>) -> Vec<u8> {
    let segments: Vec<S> = path.into_iter().collect();
    segments.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join("\0").into_bytes()
}

fn size(len: usize) -> [u8; 4] {
    u32::try_from(len).expect("a header map of a test is below 4 GiB").to_le_bytes()
}

fn read_size(bytes: &[u8], at: usize) -> Option<usize> {
    let field = bytes.get(at..at.checked_add(4)?)?;
    usize::try_from(u32::from_le_bytes(field.try_into().ok()?)).ok()
}

fn read_string<'a>(bytes: &'a [u8], at: &mut usize, len: usize) -> Option<&'a [u8]> {
    let end = at.checked_add(len)?;
    let string = bytes.get(*at..end)?;
    *at = end.checked_add(1)?;
    Some(string)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{decode_map, encode_map, encode_path};
    use crate::headers::Headers;

    #[test]
    fn map_survives_the_round_trip() {
        let headers = Headers::new([(":method", "GET"), ("x", ""), ("x", "2")]);
        assert_eq!(decode_map(&encode_map(&headers)), Some(headers));
    }

    #[test]
    fn path_segments_are_separated_by_nul() {
        assert_eq!(encode_path(["source", "address"]), b"source\0address");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>, count in any::<u32>()) {
            let _ = decode_map(&bytes);
            let _ = decode_map(&[count.to_le_bytes().as_slice(), &bytes].concat());
        }
    }
}
