//! The filter's configuration. What is accepted is accepted again with its defaults written out.
#![no_main]

use auth_core::config::Config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    match Config::parse(data) {
        Ok(_) => {
            let whole = Config::with_defaults(data).expect("it was read just now");
            let again = Config::parse(whole.to_string().as_bytes());
            assert!(again.is_ok(), "with its defaults it is refused: {:?}", again.err());
        }
        Err(refused) => assert!(!refused.to_string().is_empty()),
    }
});
