//! The `proxy_*` functions that the SDK imports, with the signatures of proxy-wasm 0.2.5
//! (src/hostcalls.rs).
//!
//! The safety contract is the same for all: the SDK passes a readable buffer as pointer and
//! length (or null and 0) and writable places for results, all of them live during the call.

use std::slice;

use proxy_wasm::types::{BufferType, LogLevel, MapType, MetricType, Status, StreamType};

use super::exports::allocate;
use crate::{hostcalls, plugin};

/// Every import, for `link_imports`.
pub(super) const ALL: &[*const ()] = &[
    proxy_log as *const (),
    proxy_get_log_level as *const (),
    proxy_get_current_time_nanoseconds as *const (),
    proxy_set_tick_period_milliseconds as *const (),
    proxy_get_buffer_bytes as *const (),
    proxy_set_buffer_bytes as *const (),
    proxy_get_header_map_pairs as *const (),
    proxy_set_header_map_pairs as *const (),
    proxy_get_header_map_value as *const (),
    proxy_add_header_map_value as *const (),
    proxy_replace_header_map_value as *const (),
    proxy_remove_header_map_value as *const (),
    proxy_get_property as *const (),
    proxy_set_property as *const (),
    proxy_get_shared_data as *const (),
    proxy_set_shared_data as *const (),
    proxy_register_shared_queue as *const (),
    proxy_resolve_shared_queue as *const (),
    proxy_dequeue_shared_queue as *const (),
    proxy_enqueue_shared_queue as *const (),
    proxy_continue_stream as *const (),
    proxy_close_stream as *const (),
    proxy_send_local_response as *const (),
    proxy_http_call as *const (),
    proxy_grpc_call as *const (),
    proxy_grpc_stream as *const (),
    proxy_grpc_send as *const (),
    proxy_grpc_cancel as *const (),
    proxy_grpc_close as *const (),
    proxy_get_status as *const (),
    proxy_set_effective_context as *const (),
    proxy_call_foreign_function as *const (),
    proxy_done as *const (),
    proxy_define_metric as *const (),
    proxy_get_metric as *const (),
    proxy_record_metric as *const (),
    proxy_increment_metric as *const (),
];

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_log(
    level: LogLevel,
    message_data: *const u8,
    message_size: usize,
) -> Status {
    // SAFETY: the SDK's contract, see the top of this file.
    unsafe {
        let message = bytes(message_data, message_size);
        done(hostcalls::log(level, message))
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_log_level(return_level: *mut LogLevel) -> Status {
    // SAFETY: the SDK's contract, see the top of this file.
    unsafe { give(plugin::with(|host| Ok(host.log_level)), return_level) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_current_time_nanoseconds(return_time: *mut u64) -> Status {
    // SAFETY: the SDK's contract, see the top of this file.
    unsafe { give(plugin::with(|host| host.now_nanoseconds()), return_time) }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_set_tick_period_milliseconds(period: u32) -> Status {
    done(plugin::with(|host| host.set_tick_period(period)))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_buffer_bytes(
    kind: BufferType,
    start: usize,
    length: usize,
    return_buffer_data: *mut *mut u8,
    return_buffer_size: *mut usize,
) -> Status {
    // SAFETY: the SDK's contract, see the top of this file.
    unsafe {
        hand_over(
            plugin::with(|host| host.get_buffer(kind, start, length)),
            return_buffer_data,
            return_buffer_size,
        )
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_set_buffer_bytes(
    kind: BufferType,
    start: usize,
    length: usize,
    value_data: *const u8,
    value_size: usize,
) -> Status {
    // SAFETY: the SDK's contract, see the top of this file.
    unsafe {
        let value = bytes(value_data, value_size);
        done(plugin::with(|host| host.set_buffer(kind, start, length, value)))
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_header_map_pairs(
    kind: MapType,
    return_map_data: *mut *mut u8,
    return_map_size: *mut usize,
) -> Status {
    // SAFETY: the SDK's contract, see the top of this file.
    unsafe { hand_over(plugin::with(|host| host.get_map(kind)), return_map_data, return_map_size) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_set_header_map_pairs(
    kind: MapType,
    map_data: *const u8,
    map_size: usize,
) -> Status {
    // SAFETY: the SDK's contract, see the top of this file.
    unsafe {
        let map = bytes(map_data, map_size);
        done(plugin::with(|host| host.set_map(kind, map)))
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_header_map_value(
    kind: MapType,
    key_data: *const u8,
    key_size: usize,
    return_value_data: *mut *mut u8,
    return_value_size: *mut usize,
) -> Status {
    // SAFETY: the SDK's contract, see the top of this file.
    unsafe {
        let key = bytes(key_data, key_size);
        hand_over(
            plugin::with(|host| host.get_header(kind, key)),
            return_value_data,
            return_value_size,
        )
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_add_header_map_value(
    kind: MapType,
    key_data: *const u8,
    key_size: usize,
    value_data: *const u8,
    value_size: usize,
) -> Status {
    // SAFETY: the SDK's contract, see the top of this file.
    unsafe {
        let key = bytes(key_data, key_size);
        let value = bytes(value_data, value_size);
        done(plugin::with(|host| host.add_header(kind, key, value)))
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_replace_header_map_value(
    kind: MapType,
    key_data: *const u8,
    key_size: usize,
    value_data: *const u8,
    value_size: usize,
) -> Status {
    // SAFETY: the SDK's contract, see the top of this file.
    unsafe {
        let key = bytes(key_data, key_size);
        let value = bytes(value_data, value_size);
        done(plugin::with(|host| host.replace_header(kind, key, value)))
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_remove_header_map_value(
    kind: MapType,
    key_data: *const u8,
    key_size: usize,
) -> Status {
    // SAFETY: the SDK's contract, see the top of this file.
    unsafe {
        let key = bytes(key_data, key_size);
        done(plugin::with(|host| host.remove_header(kind, key)))
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_property(
    path_data: *const u8,
    path_size: usize,
    return_value_data: *mut *mut u8,
    return_value_size: *mut usize,
) -> Status {
    // SAFETY: the SDK's contract, see the top of this file.
    unsafe {
        let path = bytes(path_data, path_size);
        hand_over(
            plugin::with(|host| host.get_property(path)),
            return_value_data,
            return_value_size,
        )
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_set_property(
    path_data: *const u8,
    path_size: usize,
    value_data: *const u8,
    value_size: usize,
) -> Status {
    // SAFETY: the SDK's contract, see the top of this file.
    unsafe {
        let path = bytes(path_data, path_size);
        let value = bytes(value_data, value_size);
        done(plugin::with(|host| host.set_property(path, value)))
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_shared_data(
    key_data: *const u8,
    key_size: usize,
    return_value_data: *mut *mut u8,
    return_value_size: *mut usize,
    return_cas: *mut u32,
) -> Status {
    // SAFETY: the SDK's contract, see the top of this file.
    unsafe {
        let key = bytes(key_data, key_size);
        match plugin::with(|host| host.shared.get(key)) {
            Ok((value, cas)) => {
                return_cas.write(cas);
                hand_over(Ok(value), return_value_data, return_value_size)
            }
            Err(status) => status,
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_set_shared_data(
    key_data: *const u8,
    key_size: usize,
    value_data: *const u8,
    value_size: usize,
    cas: u32,
) -> Status {
    // SAFETY: the SDK's contract, see the top of this file.
    unsafe {
        let key = bytes(key_data, key_size);
        let value = bytes(value_data, value_size);
        done(plugin::with(|host| host.shared.set(key, value, cas)))
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_register_shared_queue(
    name_data: *const u8,
    name_size: usize,
    return_id: *mut u32,
) -> Status {
    // SAFETY: the SDK's contract, see the top of this file.
    unsafe {
        let name = bytes(name_data, name_size);
        give(plugin::with(|host| Ok(host.shared.register_queue(name))), return_id)
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_resolve_shared_queue(
    _vm_id_data: *const u8,
    _vm_id_size: usize,
    name_data: *const u8,
    name_size: usize,
    return_id: *mut u32,
) -> Status {
    // SAFETY: the SDK's contract, see the top of this file.
    unsafe {
        let name = bytes(name_data, name_size);
        give(plugin::with(|host| host.shared.resolve_queue(name)), return_id)
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_dequeue_shared_queue(
    id: u32,
    return_value_data: *mut *mut u8,
    return_value_size: *mut usize,
) -> Status {
    // SAFETY: the SDK's contract, see the top of this file.
    unsafe {
        hand_over(
            plugin::with(|host| host.shared.dequeue(id)),
            return_value_data,
            return_value_size,
        )
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_enqueue_shared_queue(
    id: u32,
    value_data: *const u8,
    value_size: usize,
) -> Status {
    // SAFETY: the SDK's contract, see the top of this file.
    unsafe {
        let value = bytes(value_data, value_size);
        done(plugin::with(|host| host.enqueue(id, value)))
    }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_continue_stream(kind: StreamType) -> Status {
    done(plugin::with(|host| host.continue_stream(kind)))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_close_stream(kind: StreamType) -> Status {
    done(plugin::with(|host| host.close_stream(kind)))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_send_local_response(
    status: u32,
    details_data: *const u8,
    details_size: usize,
    body_data: *const u8,
    body_size: usize,
    headers_data: *const u8,
    headers_size: usize,
    grpc_status: i32,
) -> Status {
    // SAFETY: the SDK's contract, see the top of this file.
    unsafe {
        let details = bytes(details_data, details_size);
        let body = bytes(body_data, body_size);
        let headers = bytes(headers_data, headers_size);
        done(plugin::with(|host| {
            host.send_local_response(status, details, body, headers, grpc_status)
        }))
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_http_call(
    upstream_data: *const u8,
    upstream_size: usize,
    headers_data: *const u8,
    headers_size: usize,
    body_data: *const u8,
    body_size: usize,
    trailers_data: *const u8,
    trailers_size: usize,
    timeout: u32,
    return_token: *mut u32,
) -> Status {
    // SAFETY: the SDK's contract, see the top of this file.
    unsafe {
        let upstream = bytes(upstream_data, upstream_size);
        let headers = bytes(headers_data, headers_size);
        let body = bytes(body_data, body_size);
        let trailers = bytes(trailers_data, trailers_size);
        give(
            plugin::with(|host| host.http_call(upstream, headers, body, trailers, timeout)),
            return_token,
        )
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_grpc_call(
    _upstream_data: *const u8,
    _upstream_size: usize,
    _service_data: *const u8,
    _service_size: usize,
    _method_data: *const u8,
    _method_size: usize,
    _metadata_data: *const u8,
    _metadata_size: usize,
    _message_data: *const u8,
    _message_size: usize,
    _timeout: u32,
    return_token: *mut u32,
) -> Status {
    // SAFETY: the SDK's contract, see the top of this file.
    unsafe { give(hostcalls::no_grpc(), return_token) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_grpc_stream(
    _upstream_data: *const u8,
    _upstream_size: usize,
    _service_data: *const u8,
    _service_size: usize,
    _method_data: *const u8,
    _method_size: usize,
    _metadata_data: *const u8,
    _metadata_size: usize,
    return_token: *mut u32,
) -> Status {
    // SAFETY: the SDK's contract, see the top of this file.
    unsafe { give(hostcalls::no_grpc(), return_token) }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_grpc_send(
    _token: u32,
    _message_data: *const u8,
    _message_size: usize,
    _end: bool,
) -> Status {
    done(Err(Status::NotFound))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_grpc_cancel(_token: u32) -> Status {
    done(Err(Status::NotFound))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_grpc_close(_token: u32) -> Status {
    done(Err(Status::NotFound))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_status(
    return_code: *mut u32,
    return_message_data: *mut *mut u8,
    return_message_size: *mut usize,
) -> Status {
    // SAFETY: the SDK's contract, see the top of this file.
    unsafe {
        return_code.write(0);
        hand_over(Ok(Vec::new()), return_message_data, return_message_size)
    }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_set_effective_context(context: u32) -> Status {
    done(plugin::with(|host| host.set_effective_context(context)))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_call_foreign_function(
    name_data: *const u8,
    name_size: usize,
    arguments_data: *const u8,
    arguments_size: usize,
    return_results_data: *mut *mut u8,
    return_results_size: *mut usize,
) -> Status {
    // SAFETY: the SDK's contract, see the top of this file.
    unsafe {
        let name = bytes(name_data, name_size);
        let arguments = bytes(arguments_data, arguments_size);
        hand_over(
            hostcalls::call_foreign_function(name, arguments),
            return_results_data,
            return_results_size,
        )
    }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_done() -> Status {
    done(Ok(()))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_define_metric(
    kind: MetricType,
    name_data: *const u8,
    name_size: usize,
    return_id: *mut u32,
) -> Status {
    // SAFETY: the SDK's contract, see the top of this file.
    unsafe {
        let name = bytes(name_data, name_size);
        give(plugin::with(|host| host.metrics.define(kind, hostcalls::text(name)?)), return_id)
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_metric(id: u32, return_value: *mut u64) -> Status {
    // SAFETY: the SDK's contract, see the top of this file.
    unsafe { give(plugin::with(|host| host.metrics.get(id)), return_value) }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_record_metric(id: u32, value: u64) -> Status {
    done(plugin::with(|host| host.metrics.record(id, value)))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_increment_metric(id: u32, offset: i64) -> Status {
    done(plugin::with(|host| host.metrics.increment(id, offset)))
}

/// The bytes the SDK passed.
///
/// # Safety
/// `data` is null or points to `size` bytes that stay readable for `'a`.
unsafe fn bytes<'a>(data: *const u8, size: usize) -> &'a [u8] {
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
unsafe fn give<T>(result: Result<T, Status>, place: *mut T) -> Status {
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
unsafe fn hand_over(
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

fn done(result: Result<(), Status>) -> Status {
    result.err().unwrap_or(Status::Ok)
}
