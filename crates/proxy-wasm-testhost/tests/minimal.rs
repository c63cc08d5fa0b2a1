//! A test binary that names nothing of the crate but `TestHost`: the imports are linked all the
//! same.

use proxy_wasm_testhost::TestHost;

#[test]
fn plugin_without_contexts_starts() {
    assert_eq!(TestHost::new(|| {}).start(), Ok(()));
}
