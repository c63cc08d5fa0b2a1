//! Prints configuration, key sets and forgeries as one JSON document, for a filter in a real host.

use std::io;

use serde_json::json;

fn main() -> serde_json::Result<()> {
    let document = json!({
        "config": forgeries::config(),
        "key_sets": forgeries::key_sets(),
        "forgeries": forgeries::all(),
    });
    serde_json::to_writer(io::stdout().lock(), &document)
}
