//! The whole gate: requests come, bodies and answers arrive in any order, time passes. Whatever the
//! story, a simple model has to agree with what became of each request.
#![no_main]

use gate_stories::play;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|story: &[u8]| {
    play(story);
});
