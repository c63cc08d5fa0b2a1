//! Trace context (W3C Trace Context §3.2): the log lines of a request carry the trace that it belongs
//! to. It goes no further: the identity provider is somebody else.

use axum::http::HeaderMap;
use tracing::Span;

/// What the log lines of a request are put under: `trace_id`, if the request belongs to a trace. As
/// lines at level error have it too, it is there whatever `RUST_LOG` leaves out.
pub fn span(headers: &HeaderMap) -> Span {
    match trace_id(headers) {
        Some(trace_id) => tracing::error_span!("request", trace_id),
        None => Span::none(),
    }
}

/// The id in the one `traceparent`; nothing if it is not well-formed, as it may come from anybody.
fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all("traceparent").iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let mut fields = value.to_str().ok()?.split('-');
    let [version, trace, parent, flags] = std::array::from_fn(|_| fields.next());
    let is_hex = |text: &str, length| {
        text.len() == length && text.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_id = |text: &str, length| is_hex(text, length) && text.bytes().any(|it| it != b'0');
    // A later version may have more fields.
    let ends = fields.next().is_none() || version != Some("00");
    let is_known = is_hex(version?, 2) && version != Some("ff") && is_hex(flags?, 2) && ends;
    trace.filter(|trace| is_known && is_id(trace, 32) && parent.is_some_and(|id| is_id(id, 16)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn a_trace_is_found() {
        for value in [
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-more",
        ] {
            assert_eq!(trace_id(&headers(&[value])), Some(TRACE), "{value}");
        }
    }

    #[test]
    fn what_is_not_well_formed_is_none() {
        for value in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473\"-00f067aa0ba902b7-01",
        ] {
            assert_eq!(trace_id(&headers(&[value])), None, "{value}");
        }
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(trace_id(&headers(&[good, good])), None);
        assert_eq!(trace_id(&headers(&[])), None);
    }

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|it| ("traceparent".parse().unwrap(), it.parse().unwrap())).collect()
    }
}
