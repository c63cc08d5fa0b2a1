//! `docs/reference` says what the programs say. `make docs` writes it anew.

use std::{env, fs, path::Path};

use mcp_auth::reference;

#[test]
fn the_reference_is_fresh() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference");
    for (name, text) in [
        ("filter-config.schema.json", reference::filter_schema()),
        ("filter-configuration.md", reference::filter_configuration()),
        ("commands.md", reference::commands()),
    ] {
        let path = folder.join(name);
        if env::var_os("UPDATE_REFERENCE").is_some() {
            fs::create_dir_all(&folder).expect("docs/reference can be made");
            fs::write(&path, &text).expect("the reference can be written");
        }
        let written = fs::read_to_string(&path).unwrap_or_default();
        assert!(written == text, "docs/reference/{name} is out of date: run `make docs`");
    }
}
