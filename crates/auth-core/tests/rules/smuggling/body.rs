//! By a body that a server reads differently.

use super::*;

#[test]
fn a_second_name_behind_a_harmless_one() {
    malformed(&params(r#"{"name":"add","name":"delete_note"}"#));
    malformed(&params(r#"{"name":"delete_note","name":"add"}"#));
}

#[test]
fn a_second_name_spelled_with_escapes() {
    malformed(&params(r#"{"name":"add","n\u0061me":"delete_note"}"#));
    malformed(&params(r#"{"name":"add","\u006E\u0061\u006D\u0065":"delete_note"}"#));
}

#[test]
fn a_tool_spelled_with_escapes() {
    denied(&params(r#"{"name":"\u0064elete_note"}"#));
    denied(&params(r#"{"name":"delete\u005fnote"}"#));
}

#[test]
fn a_method_spelled_with_escapes() {
    denied(&DELETE.replace("tools/call", "tools\\/call"));
    denied(&DELETE.replace("tools/call", "\\u0074ools\\u002Fcall"));
    denied(&DELETE.replace("\"method\"", "\"\\u006dethod\""));
}

#[test]
fn a_second_method() {
    let two = DELETE.replace(r#""id":1,"#, r#""method":"tools/list","#);
    malformed(&two);
    malformed(&two.replacen("method", "\\u006dethod", 1));
}

#[test]
fn second_parameters() {
    malformed(&DELETE.replace(r#""id":1,"#, r#""params":{"name":"add"},"#));
}

#[test]
fn a_duplicate_somewhere_in_the_arguments() {
    malformed(&params(r#"{"name":"add","arguments":{"a":{"b":1,"b":2}}}"#));
}

#[test]
fn a_member_in_another_case_for_servers_that_fold_it() {
    malformed(&ADD.replace(r#""id":1,"#, r#""Method":"tools/call","#));
    malformed(&ADD.replace(r#""id":1,"#, r#""PARAMS":{"name":"delete_note"},"#));
    malformed(&params(r#"{"name":"add","Name":"delete_note"}"#));
    malformed(&params(r#"{"Name":"delete_note"}"#));
}

#[test]
fn a_member_with_letters_that_fold_to_ascii() {
    malformed(&ADD.replace(r#""id":1,"#, r#""paramſ":{"name":"delete_note"},"#));
    malformed(&ADD.replace(r#""id":1,"#, r#""param\u017f":{"name":"delete_note"},"#));
}

#[test]
fn a_call_that_hides_in_a_batch() {
    denied(&format!("[{ADD},{DELETE}]"));
    denied(&format!("[{DELETE},{ADD}]"));
    let list = message("tools/list", &json!({}));
    denied(&format!("[{list},{list},{DELETE},{list}]"));
}

#[test]
fn a_batch_in_a_batch() {
    malformed(&format!("[{ADD},[{DELETE}]]"));
    malformed(&format!("[[{DELETE}]]"));
}

#[test]
fn a_batch_longer_than_anybody_reads() {
    malformed(&format!("[{}{DELETE}]", format!("{ADD},").repeat(100)));
}

#[test]
fn a_second_document_behind_the_first() {
    for between in ["", "\n", " ", "\r\n", ",", "\u{1e}", "\0"] {
        malformed(&format!("{ADD}{between}{DELETE}"));
    }
}

#[test]
fn a_byte_order_mark() {
    malformed(&format!("\u{feff}{DELETE}"));
    malformed(&format!("\u{feff}{ADD}"));
}

#[test]
fn other_encodings_of_unicode() {
    for charset in ["utf-16", "utf-16le", "utf-7", "latin1", "\"utf-32\"", ""] {
        let content_type = format!("application/json; charset={charset}");
        malformed_as(&[("content-type", &content_type)], ADD.as_bytes());
    }
    let utf16: Vec<u8> = DELETE.encode_utf16().flat_map(u16::to_le_bytes).collect();
    malformed_as(&[JSON], &utf16);
    malformed_as(&[("content-type", "application/json; charset=utf-16le")], &utf16);
}

#[test]
fn overlong_and_broken_utf8() {
    for bytes in [&b"\xc0\xa2"[..], b"\xe0\x80\xa2", b"\xff", b"\xc3", b"\xed\xa0\x80"] {
        let name = [b"add", bytes].concat();
        let body =
            [&br#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":""#[..], &name, b"\"}}"];
        malformed_as(&[JSON], &body.concat());
    }
}

#[test]
fn half_of_a_surrogate_pair() {
    for escape in ["\\ud800", "\\udc00", "\\ud800\\ud800", "\\ud800x", "\\udc00\\ud800"] {
        malformed(&params(&format!(r#"{{"name":"add{escape}"}}"#)));
    }
}

#[test]
fn json_that_only_lenient_readers_take() {
    for body in [
        format!("/* {ADD} */ {DELETE}"),
        DELETE.replace('"', "'"),
        DELETE.replace("}}", "},}"),
        DELETE.replace("}}", "}"),
        ADD.replace("\"id\":1", "\"id\":NaN"),
        ADD.replace("\"id\":1", "\"id\":01"),
        ADD.replace("\"id\":1", "\"id\":+1"),
        ADD.replace("\"id\":1", "\"id\":0x1"),
        ADD.replace("add", "a\ndd"),
        ADD.replace("add", "\\x64elete_note"),
        format!("){ADD}"),
        format!("for(;;);{DELETE}"),
    ] {
        malformed(&body);
    }
}

#[test]
fn a_body_that_a_server_would_unpack() {
    for encoding in ["gzip", "deflate", "br", "zstd", "identity, gzip", "x-gzip", ""] {
        malformed_as(&[JSON, ("content-encoding", encoding)], ADD.as_bytes());
    }
    malformed_as(&[JSON, ("content_encoding", "gzip")], ADD.as_bytes());
    assert_eq!(word(&send(&[JSON, ("content-encoding", "identity")], ADD)), "allowed");
}

#[test]
fn a_body_that_is_said_to_be_something_else() {
    for content_type in [
        "text/plain",
        "application/json-rpc",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonx",
        "application/json, text/plain",
        "",
    ] {
        malformed_as(&[("content-type", content_type)], DELETE.as_bytes());
    }
    malformed_as(&[], DELETE.as_bytes());
    malformed_as(&[JSON, ("content-type", "text/plain")], ADD.as_bytes());
    malformed_as(&[JSON, ("content_type", "text/plain")], ADD.as_bytes());
}

#[test]
fn the_ordinary_spellings_of_json_are_not_refused() {
    for content_type in [
        "application/json",
        "Application/JSON",
        "application/json;charset=utf-8",
        "application/json; charset=\"UTF-8\"",
        "application/json ; profile=x",
    ] {
        assert_eq!(
            word(&send(&[("content-type", content_type)], ADD)),
            "allowed",
            "{content_type}"
        );
    }
}

#[test]
fn a_body_behind_a_method_that_has_none() {
    for method in ["GET", "DELETE", "HEAD", "OPTIONS"] {
        let mut caller = caller(false);
        let head = caller.head(method, &[JSON, ("x-http-method-override", "POST")]);
        let outcome = caller.bench.send_with_body(head, &[DELETE]).expect("decided");
        assert_eq!(word(&outcome), "insufficient_scope", "{method}");
    }
}

#[test]
fn a_message_that_is_a_call_and_an_answer() {
    malformed(&DELETE.replace(r#""id":1"#, r#""id":1,"result":{}"#));
    malformed(&DELETE.replace(r#""id":1"#, r#""id":1,"error":null"#));
    malformed(&DELETE.replace(r#""id":1"#, r#""id":1,"Result":{}"#));
}

#[test]
fn a_name_that_is_no_text() {
    for name in [r#"["delete_note"]"#, r#"{"name":"delete_note"}"#, "null", "1", "true"] {
        malformed(&params(&format!(r#"{{"name":{name}}}"#)));
    }
    malformed(&params(r#"["delete_note"]"#));
    malformed(&params(r#""{\"name\":\"delete_note\"}""#));
}

#[test]
fn a_name_that_ends_at_a_control_character() {
    for escape in ["\\u0000", "\\u0000x", "\\n", "\\t", "\\u007f"] {
        malformed(&params(&format!(r#"{{"name":"delete_note{escape}"}}"#)));
        malformed(&params(&format!(r#"{{"name":"add{escape}"}}"#)));
    }
}

#[test]
fn a_name_too_long_to_be_kept() {
    let long = "x".repeat(5000);
    malformed(&params(&format!(r#"{{"name":"delete_{long}"}}"#)));
}

#[test]
fn a_call_buried_under_nesting_or_numbers() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let arguments = |value: &str| params(&format!(r#"{{"name":"add","arguments":{value}}}"#));
    malformed(&arguments(&nested(1000)));
    malformed(&arguments("1e400"));
    denied(&params(&format!(r#"{{"arguments":{},"name":"delete_note"}}"#, nested(100))));
}

#[test]
fn a_call_behind_more_than_is_read() {
    let padding = " ".repeat(1 << 20);
    let outcome = send(&[JSON], &format!("{padding}{DELETE}"));
    assert_eq!(word(&outcome), "body_too_large");
    let outcome = send(&[JSON], &params(&format!(r#"{{"x":"{padding}","name":"delete_note"}}"#)));
    assert_eq!(word(&outcome), "body_too_large");
}

#[test]
fn a_call_in_pieces_of_every_size() {
    for size in 1..DELETE.len() {
        let pieces: Vec<&[u8]> = DELETE.as_bytes().chunks(size).collect();
        assert_eq!(word(&caller(false).send(&[JSON], &pieces)), "insufficient_scope", "{size}");
    }
    let empty: &[&[u8]] = &[b"", DELETE.as_bytes(), b"", b"\n", b""];
    assert_eq!(word(&caller(false).send(&[JSON], empty)), "insufficient_scope");
}

#[test]
fn a_body_that_is_cut_off() {
    for end in 0..ADD.len() {
        malformed(&ADD[..end]);
    }
}
