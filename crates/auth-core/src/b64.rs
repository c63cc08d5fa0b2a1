//! Base64url as JOSE has it (RFC 7515 §2): no padding, no white space, no stray bits.

use base64::{
    Engine, alphabet,
    engine::{GeneralPurpose, GeneralPurposeConfig},
};

/// URL-safe, padding refused, non-zero trailing bits refused.
const STRICT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_allow_trailing_bits(false)
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::RequireNone),
);

/// The bytes of `text`, if it is the one strict encoding of them.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    STRICT.decode(text).ok()
}

/// The strict encoding of `bytes`.
pub(crate) fn encode(bytes: &[u8]) -> String {
    STRICT.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_one_encoding_is_accepted() {
        assert_eq!(decode("YQ"), Some(b"a".to_vec()));
        for text in ["YQ==", "YR", "Y Q", "YQ\n", "+/8", "Y"] {
            assert_eq!(decode(text), None, "{text:?}");
        }
        assert_eq!(encode(b"a"), "YQ");
    }
}
