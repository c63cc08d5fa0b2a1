//! The `proxy_*` functions that the SDK imports, with the signatures of proxy-wasm 0.2.5
//! (src/hostcalls.rs): those that read and write data; `actions.rs` has the others.

use proxy_wasm::types::{BufferType, LogLevel, MapType, Status};

use super::memory::{bytes, done, give, hand_over};
use crate::{hostcalls, plugin};

/// Every import of this file, for `link_imports`.
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
];

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_log(
    level: LogLevel,
    message_data: *const u8,
    message_size: usize,
) -> Status {
    // SAFETY: the SDK's contract, see `memory.rs`.
    unsafe {
        let message = bytes(message_data, message_size);
        done(hostcalls::log(level, message))
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_log_level(return_level: *mut LogLevel) -> Status {
    // SAFETY: the SDK's contract, see `memory.rs`.
    unsafe { give(plugin::with(|host| Ok(host.log_level)), return_level) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_current_time_nanoseconds(return_time: *mut u64) -> Status {
    // SAFETY: the SDK's contract, see `memory.rs`.
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
    // SAFETY: the SDK's contract, see `memory.rs`.
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
    // SAFETY: the SDK's contract, see `memory.rs`.
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
    // SAFETY: the SDK's contract, see `memory.rs`.
    unsafe { hand_over(plugin::with(|host| host.get_map(kind)), return_map_data, return_map_size) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_set_header_map_pairs(
    kind: MapType,
    map_data: *const u8,
    map_size: usize,
) -> Status {
    // SAFETY: the SDK's contract, see `memory.rs`.
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
    // SAFETY: the SDK's contract, see `memory.rs`.
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
    // SAFETY: the SDK's contract, see `memory.rs`.
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
    // SAFETY: the SDK's contract, see `memory.rs`.
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
    // SAFETY: the SDK's contract, see `memory.rs`.
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
    // SAFETY: the SDK's contract, see `memory.rs`.
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
    // SAFETY: the SDK's contract, see `memory.rs`.
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
    // SAFETY: the SDK's contract, see `memory.rs`.
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
    // SAFETY: the SDK's contract, see `memory.rs`.
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
    // SAFETY: the SDK's contract, see `memory.rs`.
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
    // SAFETY: the SDK's contract, see `memory.rs`.
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
    // SAFETY: the SDK's contract, see `memory.rs`.
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
    // SAFETY: the SDK's contract, see `memory.rs`.
    unsafe {
        let value = bytes(value_data, value_size);
        done(plugin::with(|host| host.enqueue(id, value)))
    }
}
