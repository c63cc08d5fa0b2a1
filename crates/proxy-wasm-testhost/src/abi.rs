//! The C boundary between host and SDK: the only module with `unsafe`.
//!
//! [`data`] and [`actions`] define what the SDK imports from a host, [`exports`] calls what the
//! SDK exports to one. They only translate pointers; what an import means is in `hostcalls.rs`.
//! [`abort`] catches what happens when a panic meets the boundary.

pub(crate) mod abort;
mod actions;
mod data;
pub(crate) mod exports;
mod memory;

/// Keeps every import in the binary. A static archive is searched once and in order by some
/// linkers, so the SDK's references alone might come too late to pull the imports in.
pub(crate) fn link_imports() {
    std::hint::black_box((data::ALL, actions::ALL));
}
