//! What each import does, in terms of the host's state and with Envoy's answers.

use std::mem;
use std::time::{Duration, UNIX_EPOCH};

use proxy_wasm::types::{BufferType, LogLevel, MapType, Status, StreamType};

use crate::call::{Call, CallState};
use crate::half::Direction;
use crate::headers::Headers;
use crate::log::LogLine;
use crate::plugin;
use crate::state::{Deferred, Dispatched, ROOT, ReplyRequest, State, Tick};
use crate::wire::{decode_map, encode_map};

/// Logs, and echoes to standard error, which the test harness shows where a test fails. The
/// SDK's logger is one for the process, so lines may come from threads without a plugin.
pub(crate) fn log(level: LogLevel, message: &[u8]) -> Result<(), Status> {
    let message = String::from_utf8_lossy(message).into_owned();
    eprintln!("{}", LogLine { level, message: message.clone(), context: 0 });
    let _ = plugin::with(|host| {
        host.log(level, &message);
        Ok(())
    });
    Ok(())
}

/// Calls a registered closure, with the state unlocked.
pub(crate) fn call_foreign_function(name: &[u8], arguments: &[u8]) -> Result<Vec<u8>, Status> {
    let name = text(name)?.to_owned();
    let function =
        plugin::with(|host| host.foreign_functions.remove(&name).ok_or(Status::NotFound));
    let mut function = function?;
    let result = function(arguments);
    plugin::with(|host| {
        host.foreign_functions.insert(name, function);
        Ok(())
    })?;
    Ok(result?.unwrap_or_default())
}

/// gRPC is not part of this host.
pub(crate) fn no_grpc<T>() -> Result<T, Status> {
    Err(Status::InternalFailure)
}

/// Names, keys and clusters are text.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, Status> {
    std::str::from_utf8(bytes).map_err(|_| Status::BadArgument)
}

/// Time, configuration and contexts.
impl State {
    pub(crate) fn now_nanoseconds(&self) -> Result<u64, Status> {
        let since = self.now.duration_since(UNIX_EPOCH).map_err(|_| Status::InternalFailure)?;
        u64::try_from(since.as_nanos()).map_err(|_| Status::InternalFailure)
    }

    /// Sets or, with 0, stops the root context's timer, from whichever context asks.
    pub(crate) fn set_tick_period(&mut self, milliseconds: u32) -> Result<(), Status> {
        let period = Duration::from_millis(milliseconds.into());
        let due = self.elapsed + period;
        self.tick = (milliseconds > 0).then_some(Tick { period, due });
        Ok(())
    }

    pub(crate) fn set_effective_context(&mut self, context: u32) -> Result<(), Status> {
        if !self.exists(context) {
            return Err(Status::BadArgument);
        }
        self.effective = Some(context);
        Ok(())
    }

    pub(crate) fn enqueue(&mut self, queue: u32, value: &[u8]) -> Result<(), Status> {
        self.shared.enqueue(queue, value)?;
        self.deferred.push(Deferred::QueueReady(queue));
        Ok(())
    }
}

/// Properties. What the plugin sets belongs to a stream (its filter state).
impl State {
    pub(crate) fn get_property(&self, path: &[u8]) -> Result<Vec<u8>, Status> {
        let of_stream = self.stream().and_then(|stream| stream.properties.get(path));
        of_stream.or_else(|| self.properties.get(path)).cloned().ok_or(Status::NotFound)
    }

    pub(crate) fn set_property(&mut self, path: &[u8], value: &[u8]) -> Result<(), Status> {
        let stream = self.stream_mut().ok_or(Status::NotFound)?;
        stream.properties.insert(path.to_vec(), value.to_vec());
        Ok(())
    }
}

/// Header maps. A map that is not there reads as empty when asked for whole, and is a bad
/// argument when asked for one header or changed: Envoy's answers, not ours.
impl State {
    pub(crate) fn get_map(&self, kind: MapType) -> Result<Vec<u8>, Status> {
        let map = self.map(kind).filter(|map| !map.is_empty());
        Ok(map.map(encode_map).unwrap_or_default())
    }

    pub(crate) fn set_map(&mut self, kind: MapType, map: &[u8]) -> Result<(), Status> {
        let map = decode_map(map).ok_or(Status::BadArgument)?;
        *self.map_mut(kind)? = map;
        Ok(())
    }

    pub(crate) fn get_header(&self, kind: MapType, name: &[u8]) -> Result<Vec<u8>, Status> {
        let absent = if self.is_logging() { Status::NotFound } else { Status::BadArgument };
        let value = self.map(kind).ok_or(absent)?.get_bytes(text(name)?);
        value.map(<[u8]>::to_vec).ok_or(Status::NotFound)
    }

    pub(crate) fn add_header(
        &mut self,
        kind: MapType,
        name: &[u8],
        value: &[u8],
    ) -> Result<(), Status> {
        self.map_mut(kind)?.add(text(name)?, value);
        Ok(())
    }

    pub(crate) fn replace_header(
        &mut self,
        kind: MapType,
        name: &[u8],
        value: &[u8],
    ) -> Result<(), Status> {
        self.map_mut(kind)?.replace(text(name)?, value);
        Ok(())
    }

    pub(crate) fn remove_header(&mut self, kind: MapType, name: &[u8]) -> Result<(), Status> {
        self.map_mut(kind)?.remove(text(name)?);
        Ok(())
    }

    fn is_logging(&self) -> bool {
        self.stream().is_some_and(|stream| stream.logging)
    }

    fn map(&self, kind: MapType) -> Option<&Headers> {
        match kind {
            MapType::HttpRequestHeaders => {
                let stream = self.stream()?;
                let logged = stream.request.headers.as_ref().filter(|_| stream.logging);
                logged.or_else(|| stream.request.map())
            }
            MapType::HttpResponseHeaders => {
                let stream = self.stream()?;
                let logged = stream.response.headers.as_ref().filter(|_| stream.logging);
                logged.or_else(|| stream.response.map())
            }
            MapType::HttpCallResponseHeaders => {
                self.call_response.as_ref().map(|response| &response.headers)
            }
            _ => None,
        }
    }

    fn map_mut(&mut self, kind: MapType) -> Result<&mut Headers, Status> {
        let stream = self.stream_mut().ok_or(Status::BadArgument)?;
        let map = match kind {
            MapType::HttpRequestHeaders => stream.request.map_mut(),
            MapType::HttpResponseHeaders => stream.response.map_mut(),
            _ => None,
        };
        map.ok_or(Status::BadArgument)
    }
}

/// Buffers.
impl State {
    pub(crate) fn get_buffer(
        &self,
        kind: BufferType,
        start: usize,
        length: usize,
    ) -> Result<Vec<u8>, Status> {
        let buffer = self.buffer(kind).ok_or(Status::NotFound)?;
        let end = start.checked_add(length).ok_or(Status::BadArgument)?;
        Ok(buffer.get(start..end.min(buffer.len())).unwrap_or_default().to_vec())
    }

    /// Envoy's rule: at 0, replace the first `length` bytes; past the end, append; else refuse.
    pub(crate) fn set_buffer(
        &mut self,
        kind: BufferType,
        start: usize,
        length: usize,
        value: &[u8],
    ) -> Result<(), Status> {
        let stream = self.stream_mut().ok_or(Status::NotFound)?;
        let buffer = match kind {
            BufferType::HttpRequestBody => stream.request.body_mut(),
            BufferType::HttpResponseBody => stream.response.body_mut(),
            _ => None,
        };
        let buffer = buffer.ok_or(Status::BadArgument)?;
        let end = match start {
            0 => length.min(buffer.len()),
            _ if start >= buffer.len() => buffer.len(),
            _ => return Err(Status::BadArgument),
        };
        buffer.splice(start.min(end)..end, value.iter().copied());
        Ok(())
    }

    fn buffer(&self, kind: BufferType) -> Option<&[u8]> {
        match kind {
            BufferType::VmConfiguration => Some(&self.vm_configuration),
            BufferType::PluginConfiguration => {
                self.configuring.then_some(self.plugin_configuration.as_slice())
            }
            BufferType::HttpRequestBody => Some(self.stream()?.request.body().unwrap_or_default()),
            BufferType::HttpResponseBody => {
                Some(self.stream()?.response.body().unwrap_or_default())
            }
            BufferType::HttpCallResponseBody => {
                self.call_response.as_ref().map(|response| response.body.as_slice())
            }
            BufferType::CallData => Some(&self.call_data),
            _ => None,
        }
    }
}

/// Streams. Envoy acts on these when the plugin has returned.
impl State {
    pub(crate) fn continue_stream(&mut self, kind: StreamType) -> Result<(), Status> {
        let direction = match kind {
            StreamType::HttpRequest => Direction::Request,
            StreamType::HttpResponse => Direction::Response,
            _ => return Err(Status::BadArgument),
        };
        let context = self.context();
        let Some(stream) = self.stream_mut() else { return Ok(()) };
        // At once and for both directions, so that headers set after this line are refused.
        stream.request.visible = false;
        self.deferred.push(Deferred::Continue(context, direction));
        Ok(())
    }

    pub(crate) fn close_stream(&mut self, kind: StreamType) -> Result<(), Status> {
        if !matches!(kind, StreamType::HttpRequest | StreamType::HttpResponse) {
            return Err(Status::BadArgument);
        }
        let context = self.context();
        self.deferred.push(Deferred::Reset(context));
        Ok(())
    }

    pub(crate) fn send_local_response(
        &mut self,
        status: u32,
        details: &[u8],
        body: &[u8],
        headers: &[u8],
        grpc_status: i32,
    ) -> Result<(), Status> {
        let reply = ReplyRequest {
            status,
            headers: decode_map(headers).ok_or(Status::BadArgument)?,
            body: body.to_vec(),
            details: String::from_utf8_lossy(details).into_owned(),
            grpc_status: (grpc_status >= 0).then_some(grpc_status),
        };
        let context = self.context();
        self.deferred.push(Deferred::Reply(context, reply));
        Ok(())
    }
}

/// HTTP calls. Envoy makes each on behalf of the root context, so it outlives the stream.
impl State {
    pub(crate) fn http_call(
        &mut self,
        upstream: &[u8],
        headers: &[u8],
        body: &[u8],
        trailers: &[u8],
        timeout: u32,
    ) -> Result<u32, Status> {
        let cluster = text(upstream)?.to_owned();
        let headers = decode_map(headers).ok_or(Status::BadArgument)?;
        let complete = [":authority", ":path", ":method"].iter().all(|name| headers.contains(name));
        // The ABI's 32 bits are signed in Envoy.
        if !self.clusters.contains(&cluster) || !complete || i32::try_from(timeout).is_err() {
            return Err(Status::BadArgument);
        }
        let token = u32::try_from(self.calls.len() + 1).map_err(|_| Status::InternalFailure)?;
        let timeout = (timeout > 0).then(|| Duration::from_millis(timeout.into()));
        let trailers = decode_map(trailers).ok_or(Status::BadArgument)?;
        let by_root = self.context() == ROOT;
        let body = body.to_vec();
        let call = Call { token, cluster, headers, body, trailers, timeout, by_root };
        let deadline = timeout.map(|timeout| self.elapsed + timeout);
        self.calls.push(Dispatched { call, state: CallState::InFlight, taken: false, deadline });
        Ok(token)
    }

    /// What the plugin asked for since the last time, in order.
    pub(crate) fn take_deferred(&mut self) -> Vec<Deferred> {
        mem::take(&mut self.deferred)
    }

    /// Makes `context` the current one, as at each entry into the plugin.
    pub(crate) fn enter_context(&mut self, context: u32) {
        self.current = if context == 0 { ROOT } else { context };
        self.effective = None;
    }
}
