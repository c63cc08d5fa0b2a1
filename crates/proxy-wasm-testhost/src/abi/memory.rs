//! Memory that crosses the boundary.
//!
//! The safety contract is the same for all imports: the SDK passes a readable buffer as pointer
//! and length (or null and 0) and writable places for results, all of them live during the call.

use std::slice;

use proxy_wasm::types::Status;

use super::exports::allocate;

/// The bytes the SDK passed.
///
/// # Safety
/// `data` is null or points to `size` bytes that stay readable for `'a`.
pub(super) unsafe fn bytes<'a>(data: *const u8, size: usize) -> &'a [u8] {
    if data.is_null() || size == 0 {
        return &[];
    }
    // SAFETY: the caller vouches for `size` readable bytes at `data`.
    unsafe { slice::from_raw_parts(data, size) }
}

/// Writes a plain result to where the SDK wants it.
///
/// # Safety
/// `place` is valid for writing a `T`.
pub(super) unsafe fn give<T>(result: Result<T, Status>, place: *mut T) -> Status {
    match result {
        Ok(value) => {
            // SAFETY: the caller vouches for `place`.
            unsafe { place.write(value) };
            Status::Ok
        }
        Err(status) => status,
    }
}

/// Hands bytes over in memory of the plugin's allocator; the SDK frees it, as the `Vec` it
/// makes of pointer and length. Empty results are a null pointer, as in Envoy.
///
/// # Safety
/// `data` and `size` are valid for writing.
pub(super) unsafe fn hand_over(
    result: Result<Vec<u8>, Status>,
    data: *mut *mut u8,
    size: *mut usize,
) -> Status {
    let bytes = match result {
        Ok(bytes) => bytes,
        Err(status) => return status,
    };
    let memory = if bytes.is_empty() { std::ptr::null_mut() } else { allocate(bytes.len()) };
    // SAFETY: the caller vouches for `data` and `size`; `memory` is fresh, `bytes.len()` long,
    // and overlaps nothing.
    unsafe {
        if !memory.is_null() {
            memory.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
        data.write(memory);
        size.write(bytes.len());
    }
    Status::Ok
}

/// The status of a call that gives nothing back.
pub(super) fn done(result: Result<(), Status>) -> Status {
    result.err().unwrap_or(Status::Ok)
}
