//! Prints the vectors, a group a line as JSON: for a verifier that no Rust test can call.

use std::io::{self, BufWriter, Write as _};

fn main() -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    for group in signature_vectors::groups() {
        serde_json::to_writer(&mut out, &group)?;
        out.write_all(b"\n")?;
    }
    out.flush()
}
