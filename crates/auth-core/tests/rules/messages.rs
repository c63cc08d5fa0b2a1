//! The reader of JSON-RPC bodies: it reads what `serde_json` reads, whatever the pieces, and refuses
//! what two readers could read in two ways.

use auth_core::{
    json,
    mcp::{
        NotJson,
        call::{Call, NameMember},
        message::{MessageReader, NotJsonRpc},
    },
};
use proptest::{
    collection::vec,
    prelude::{Just, Strategy, any, prop_oneof, proptest},
    sample::select,
};
use serde_json::{Map, Value, json};

#[test]
fn a_call_is_read_with_its_name() {
    for (method, params, name) in [
        ("tools/call", json!({"name": "add", "uri": "x"}), Some("add")),
        ("prompts/get", json!({"name": "greet"}), Some("greet")),
        ("resources/read", json!({"name": "x", "uri": "file:///a"}), Some("file:///a")),
        ("tools/call", json!({"arguments": {"name": "inner"}}), None),
        ("tools/call", json!({"name": {"name": "inner"}}), None),
        ("tools/call", json!(["add"]), None),
        ("tools/call", json!(null), None),
        ("tools/list", json!({"name": "add"}), None),
    ] {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        assert_eq!(read_whole(&body.to_string()).unwrap(), [call(method, name)], "{body}");
    }
}

#[test]
fn members_come_in_any_order() {
    let body = r#"{"params":{"arguments":{},"name":"add"},"method":"tools/call","jsonrpc":"2.0"}"#;
    assert_eq!(read_whole(body).unwrap(), [call("tools/call", Some("add"))]);
}

#[test]
fn notifications_are_calls_and_answers_are_not() {
    for (body, calls) in [
        (json!({"jsonrpc": "2.0", "method": "notifications/initialized"}), 1),
        (json!({"jsonrpc": "2.0", "id": 1, "result": {"method": "tools/call"}}), 0),
        (json!({"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": ""}}), 0),
    ] {
        assert_eq!(read_whole(&body.to_string()).unwrap().len(), calls, "{body}");
    }
}

#[test]
fn every_call_of_a_batch_is_read() {
    let body = json!([
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "add"}},
        {"jsonrpc": "2.0", "id": 7, "result": {}},
        {"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "delete"}},
    ]);
    let expected = ["add", "delete"].map(|name| call("tools/call", Some(name)));
    assert_eq!(read_whole(&body.to_string()).unwrap(), expected);
}

#[test]
fn names_are_decoded() {
    let body = concat!(
        r#"{"jsonrpc":"2.0","\u006dethod":"tools\u002fcall","#,
        r#""params":{"n\u0061me":"\u0064elete_\ud83d\ude00\/ä"}}"#
    );
    assert_eq!(read_whole(body).unwrap(), [call("tools/call", Some("delete_😀/ä"))]);
}

#[test]
fn what_is_neither_a_message_nor_a_batch_is_refused() {
    for body in ["", " ", "1", "null", "true", "\"x\"", "[]", "[1]", "[[]]", "[null]", "{}", "[{}]"]
    {
        assert!(read_whole(body).is_err(), "{body}");
    }
}

#[test]
fn a_message_is_a_call_or_an_answer() {
    for body in [
        json!({"jsonrpc": "2.0", "id": 1}),
        json!({"jsonrpc": "2.0", "method": "a", "result": 1}),
        json!({"jsonrpc": "2.0", "method": "a", "error": {}}),
        json!({"jsonrpc": "2.0", "method": 1}),
        json!({"jsonrpc": "2.0", "method": null, "result": 1}),
        json!({"jsonrpc": "2.0", "method": ["tools/call"]}),
        json!({"jsonrpc": "2.0", "method": "a\u{0}"}),
        json!({"jsonrpc": "2.0", "method": "a".repeat(257)}),
        json!({"jsonrpc": "2.0", "method": "a", "params": "x"}),
        json!({"jsonrpc": "2.0", "method": "a", "params": 1}),
        json!({"jsonrpc": "1.0", "method": "a"}),
        json!({"jsonrpc": 2.0, "method": "a"}),
        json!({"method": "a"}),
    ] {
        assert_eq!(read_whole(&body.to_string()), Err(NotJsonRpc::Message), "{body}");
    }
}

#[test]
fn members_that_some_readers_take_for_others_are_refused() {
    for name in ["Method", "METHOD", "paramS", "param\u{17f}", "JSONRPC", "Result", "Error"] {
        let body = json!({"jsonrpc": "2.0", "method": "a", name: {}});
        assert_eq!(read_whole(&body.to_string()), Err(NotJsonRpc::Alike), "{name}");
    }
    for name in ["Name", "NAME", "Uri", "uRI"] {
        let body = json!({"jsonrpc": "2.0", "method": "tools/call", "params": {name: "x"}});
        assert_eq!(read_whole(&body.to_string()), Err(NotJsonRpc::Alike), "{name}");
        let body = json!({"jsonrpc": "2.0", "method": "a", "params": {"arguments": {name: 1}}});
        assert!(read_whole(&body.to_string()).is_ok(), "arguments are the tool's: {name}");
    }
}

#[test]
fn names_with_control_characters_or_too_long_are_no_names() {
    for name in ["delete\0", "delete\n", "\u{7f}", "\u{85}", &"a".repeat(4097)] {
        let body = json!({"jsonrpc": "2.0", "method": "tools/call", "params": {"name": name}});
        assert_eq!(read_whole(&body.to_string()).unwrap(), [call("tools/call", None)]);
    }
    let longest = "a".repeat(4096);
    let body = json!({"jsonrpc": "2.0", "method": "tools/call", "params": {"name": longest}});
    assert_eq!(read_whole(&body.to_string()).unwrap(), [call("tools/call", Some(&longest))]);
}

#[test]
fn batches_are_bounded() {
    let batch = |messages: usize| {
        Value::from(vec![json!({"jsonrpc": "2.0", "method": "a"}); messages]).to_string()
    };
    assert_eq!(read_whole(&batch(100)).unwrap().len(), 100);
    assert_eq!(read_whole(&batch(101)), Err(NotJsonRpc::Batch));
}

#[test]
fn members_under_comparison_are_bounded() {
    let object = |members: usize| {
        let members: Vec<String> = (0..members).map(|nth| format!("\"{nth}\":1")).collect();
        format!(r#"{{"jsonrpc":"2.0","method":"a","params":{{{}}}}}"#, members.join(","))
    };
    assert!(read_whole(&object(65_000)).is_ok());
    assert_eq!(read_whole(&object(66_000)), Err(NotJsonRpc::Json(NotJson::Members)));
}

#[test]
fn numbers_that_readers_disagree_about_are_refused() {
    let message = |number: &str| format!(r#"{{"jsonrpc":"2.0","id":{number},"method":"a"}}"#);
    for number in [
        "0",
        "-0",
        "1e307",
        "-1.5E+307",
        "0e999999999999999999999",
        "0.000e400",
        "1e-400",
        &format!("0.{}1", "0".repeat(1000)),
        &format!("1{}", "0".repeat(307)),
        &format!("0.{}1e1000", "0".repeat(800)),
        "1e-99999999999999999999999999",
    ] {
        assert!(read_whole(&message(number)).is_ok(), "{number}");
    }
    for number in [
        "1e308",
        "-1e400",
        "1e999999999999999999999999999",
        "0.1e309",
        &format!("1{}", "0".repeat(308)),
        &format!("0.{}1e2000", "0".repeat(1000)),
    ] {
        let refused = read_whole(&message(number));
        assert_eq!(refused, Err(NotJsonRpc::Json(NotJson::Number)), "{number}");
    }
}

#[test]
fn nesting_is_followed_as_deep_as_serde_json_does() {
    for depth in 100..140 {
        let body = format!(
            r#"{{"jsonrpc":"2.0","method":"a","params":[{}{}]}}"#,
            "[".repeat(depth),
            "]".repeat(depth)
        );
        assert_eq!(read_whole(&body).is_ok(), json::parse(body.as_bytes()).is_ok(), "{depth}");
    }
}

#[test]
fn exactly_utf8_is_read_as_text() {
    const EDGES: [u8; 16] = [
        0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc2, 0xdf, 0xe0, 0xed, 0xf0, 0xf4,
        0xff,
    ];
    let is_text = |bytes: &[u8]| {
        let body = [br#"{"jsonrpc":"2.0","method":"a","x":""#, bytes, br#""}"#].concat();
        read(&body, &[]).is_ok()
    };
    for first in 0x80..=0xff {
        for second in EDGES.into_iter().filter(|byte| *byte != 0) {
            for rest in [&b""[..], b"\x80", b"\xbf", b"\x80\x80", b"\xbf\xbf", b"\x80a", b"\xc0"] {
                let bytes = [&[first, second], rest].concat();
                assert_eq!(is_text(&bytes), std::str::from_utf8(&bytes).is_ok(), "{bytes:x?}");
            }
        }
        assert!(!is_text(&[first]), "{first:x}");
    }
}

proptest! {
    #[test]
    fn it_reads_what_serde_json_reads_whatever_the_pieces(
        body in body(),
        cuts in vec(any::<usize>(), 0..6),
    ) {
        assert_reads_as_serde_json(body.as_bytes(), &cuts);
    }

    #[test]
    fn it_refuses_what_serde_json_refuses(
        body in body(),
        edits in vec((any::<usize>(), edit()), 1..4),
        cuts in vec(any::<usize>(), 0..6),
    ) {
        let mut bytes = body.into_bytes();
        for (place, edit) in edits {
            let at = place % (bytes.len() + 1);
            match edit {
                Edit::Remove => drop(bytes.drain(at..(at + 1).min(bytes.len()))),
                Edit::Insert(byte) => bytes.insert(at, byte),
            }
        }
        assert_reads_as_serde_json(&bytes, &cuts);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in any::<Vec<u8>>(), cuts in vec(any::<usize>(), 0..6)) {
        assert_reads_as_serde_json(&bytes, &cuts);
    }
}

/// Reads `bytes` in pieces, and as `serde_json` does.
fn assert_reads_as_serde_json(bytes: &[u8], cuts: &[usize]) {
    let read = read(bytes, cuts);
    assert_eq!(read, self::read(bytes, &[]), "the pieces make no difference");
    if read == Err(NotJsonRpc::Json(NotJson::Number)) {
        return;
    }
    assert_eq!(read.ok(), reference(bytes), "{}", String::from_utf8_lossy(bytes));
}

fn read_whole(body: &str) -> Result<Vec<Call>, NotJsonRpc> {
    read(body.as_bytes(), &[])
}

fn read(bytes: &[u8], cuts: &[usize]) -> Result<Vec<Call>, NotJsonRpc> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.sort_unstable();
    let mut calls = Vec::new();
    let mut reader = MessageReader::new();
    let mut from = 0;
    for cut in cuts.into_iter().chain([bytes.len()]) {
        reader.feed(&bytes[from..cut], |call| calls.push(call))?;
        from = cut;
    }
    reader.finish(|call| calls.push(call))?;
    Ok(calls)
}

/// What a body calls, by a reader of whole documents that is as strict about duplicates.
fn reference(bytes: &[u8]) -> Option<Vec<Call>> {
    let messages = match json::parse(bytes).ok()? {
        Value::Array(messages) if !messages.is_empty() => messages,
        message @ Value::Object(_) => vec![message],
        _ => return None,
    };
    let mut calls = Vec::new();
    for message in &messages {
        let message = message.as_object()?;
        let answers = message.contains_key("result") || message.contains_key("error");
        let (is_call, params) = (message.contains_key("method"), message.get("params"));
        let spelled = |map: &Map<String, Value>, names: &[&str]| {
            map.keys().all(|key| names.contains(&&**key) || !names.contains(&&*fold(key)))
        };
        let params_spelled =
            params.and_then(Value::as_object).is_none_or(|map| spelled(map, &["name", "uri"]));
        if !spelled(message, &["jsonrpc", "method", "params", "result", "error"])
            || !params_spelled
            || message.get("jsonrpc") != Some(&json!("2.0"))
            || !params.is_none_or(|p| p.is_object() || p.is_array() || p.is_null())
            || is_call == answers
        {
            return None;
        }
        if is_call {
            let method = message["method"].as_str()?;
            if method.chars().any(char::is_control) || method.len() > 256 {
                return None;
            }
            let member = NameMember::of(method).map(|member| match member {
                NameMember::Name => "name",
                NameMember::Uri => "uri",
            });
            let name = member.and_then(|member| params?.as_object()?.get(member)?.as_str());
            let name = name.filter(|name| !name.chars().any(char::is_control));
            calls.push(call(method, name));
        }
    }
    Some(calls)
}

fn fold(key: &str) -> String {
    key.replace('\u{17f}', "s").replace('\u{212a}', "k").to_ascii_lowercase()
}

fn call(method: &str, name: Option<&str>) -> Call {
    Call { method: method.to_owned(), name: name.map(str::to_owned) }
}

#[derive(Clone, Debug)]
enum Edit {
    Remove,
    Insert(u8),
}

fn edit() -> impl Strategy<Value = Edit> {
    let telling = select(b"{}[]\",:\\u0e-. \t\n\xc3\xff\x00dn".to_vec());
    prop_oneof![Just(Edit::Remove), prop_oneof![telling, any::<u8>()].prop_map(Edit::Insert)]
}

/// A text that is JSON-RPC, or nearly.
fn body() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => message(),
        1 => vec(message(), 0..4).prop_map(|messages| format!("[{}]", messages.join(" , "))),
        1 => value(),
    ]
}

fn message() -> impl Strategy<Value = String> {
    let method = prop_oneof![
        3 => select(vec!["tools/call", "resources/read", "prompts/get", "a"])
            .prop_map(|method| format!("\"method\":\"{method}\"")),
        1 => text().prop_map(|method| format!("\"method\":{method}")),
    ];
    let params = prop_oneof![
        3 => object(select(vec!["name", "uri", "arguments", "Name"]), value())
            .prop_map(|params| format!("\"params\":{params}")),
        1 => value().prop_map(|params| format!("\"params\":{params}")),
    ];
    let others = select(vec!["\"jsonrpc\":\"2.0\"", "\"result\":{}", "\"id\":1", "\"Method\":1"]);
    let more = vec(prop_oneof![6 => params, 1 => others.prop_map(str::to_owned)], 0..3);
    (method, more).prop_map(|(method, more)| {
        let members: Vec<String> = [more, vec![method, "\"jsonrpc\":\"2.0\"".to_owned()]].concat();
        format!("{{{}}}", members.join(","))
    })
}

fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        2 => text(),
        1 => select(vec!["null", "true", "false", "0", "-1.5", "1e5", "12E-2"]).prop_map(str::to_owned),
        1 => any::<f64>().prop_map(|number| json!(number).to_string()),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|items| format!("[ {}]", items.join(",\n"))),
            object(select(vec!["a", "b", "name", "Name", "method"]), inner),
        ]
    })
}

fn object(
    names: impl Strategy<Value = &'static str>,
    values: impl Strategy<Value = String>,
) -> impl Strategy<Value = String> {
    vec((names, values), 0..4).prop_map(|members| {
        let members: Vec<String> =
            members.iter().map(|(name, value)| format!("{}:{value}", json!(name))).collect();
        format!("{{{}}}", members.join(", "))
    })
}

/// A string's text, with or without escapes for what needs none.
fn text() -> impl Strategy<Value = String> {
    (any::<String>(), any::<bool>()).prop_map(|(text, escapes)| match escapes {
        false => json!(text).to_string(),
        true => {
            let units: Vec<String> =
                text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            format!("\"{}\"", units.concat())
        }
    })
}
