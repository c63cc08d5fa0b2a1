//! The `proxy_*` functions that the SDK imports, with the signatures of proxy-wasm 0.2.5
//! (src/hostcalls.rs): those that act on streams, calls,
//! contexts and metrics; `data.rs` has the others.

use proxy_wasm::types::{MetricType, Status, StreamType};

use super::memory::{bytes, done, give, hand_over};
use crate::{hostcalls, plugin};

/// Every import of this file, for `link_imports`.
pub(super) const ALL: &[*const ()] = &[
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
    // SAFETY: the SDK's contract, see `memory.rs`.
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
    // SAFETY: the SDK's contract, see `memory.rs`.
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
    // SAFETY: the SDK's contract, see `memory.rs`.
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
    // SAFETY: the SDK's contract, see `memory.rs`.
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
    // SAFETY: the SDK's contract, see `memory.rs`.
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
    // SAFETY: the SDK's contract, see `memory.rs`.
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
    // SAFETY: the SDK's contract, see `memory.rs`.
    unsafe {
        let name = bytes(name_data, name_size);
        give(plugin::with(|host| host.metrics.define(kind, hostcalls::text(name)?)), return_id)
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_metric(id: u32, return_value: *mut u64) -> Status {
    // SAFETY: the SDK's contract, see `memory.rs`.
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
