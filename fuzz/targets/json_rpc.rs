//! JSON-RPC bodies. The first byte says in pieces of what size they come. What is read is what
//! `serde_json` reads, whatever the pieces; and what `serde_json` cannot read is refused.
#![no_main]

use auth_core::mcp::{
    call::{Call, NameMember},
    message::{MessageReader, NotJsonRpc},
};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let Some((size, body)) = data.split_first() else { return };
    let whole = read(body, body.len().max(1));
    let pieces = read(body, usize::from(*size).max(1));
    assert_eq!(whole.is_ok(), pieces.is_ok());
    let Ok(calls) = whole else { return };
    assert_eq!(Ok(&calls), pieces.as_ref().map_err(|_| ()));
    let value: Value = serde_json::from_slice(body).expect("serde_json reads what we read");
    assert_eq!(calls, of(&value));
});

fn read(body: &[u8], size: usize) -> Result<Vec<Call>, NotJsonRpc> {
    let (mut reader, mut calls) = (MessageReader::new(), Vec::new());
    for piece in body.chunks(size) {
        reader.feed(piece, |call| calls.push(call))?;
    }
    reader.finish(|call| calls.push(call))?;
    Ok(calls)
}

/// The calls in a document, found the simple way.
fn of(value: &Value) -> Vec<Call> {
    let messages = match value {
        Value::Array(messages) => messages.as_slice(),
        message => std::slice::from_ref(message),
    };
    let calls = messages.iter().filter_map(|message| {
        let method = message.get("method")?.as_str()?;
        let member = NameMember::of(method).map(|member| match member {
            NameMember::Name => "name",
            NameMember::Uri => "uri",
        });
        let name = member.and_then(|member| message.get("params")?.get(member)?.as_str());
        Some(Call { method: method.to_owned(), name: name.map(str::to_owned) })
    });
    calls.collect()
}
