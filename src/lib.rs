//! The Proxy-Wasm filter: translates between a host (Envoy, Istio) and `auth_core`, which decides.
//!
//! Where to look: [`root`] lives as long as the configuration and makes the fetches, [`request`]
//! lives as long as a request, [`host`] has every call to the host, [`verifier`] picks who checks
//! signatures.

mod host;
mod request;
mod root;
mod verifier;

mod entry {
    proxy_wasm::main! {{ crate::register(); }}
}

/// Registers the filter with the SDK. Hosts do this by starting the module; native tests call it.
pub fn register() {
    proxy_wasm::set_log_level(proxy_wasm::types::LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(root::Root::new()));
}
