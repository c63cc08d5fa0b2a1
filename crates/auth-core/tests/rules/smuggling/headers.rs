//! By headers and versions that a server reads differently.

use super::*;

#[test]
fn headers_that_say_another_tool_than_the_body() {
    let says_add = [("mcp-method", "tools/call"), ("mcp-name", "add")];
    modern_malformed(&says_add, DELETE);
    modern_malformed(&[("mcp-method", "tools/list")], DELETE);
    modern_malformed(&[("mcp-method", "tools/list"), ("mcp-name", "add")], ADD);
    let says_delete = [("mcp-method", "tools/call"), ("mcp-name", "delete_note")];
    modern_malformed(&says_delete, ADD);
    assert_eq!(
        word(&send(&[&[JSON, MODERN], &says_delete[..]].concat(), DELETE)),
        "insufficient_scope"
    );
}

#[test]
fn headers_in_another_case_than_the_body() {
    modern_malformed(&[("mcp-method", "Tools/Call"), ("mcp-name", "add")], ADD);
    modern_malformed(&[("mcp-method", "tools/call"), ("mcp-name", "ADD")], ADD);
}

#[test]
fn headers_that_are_there_twice() {
    let method = ("mcp-method", "tools/call");
    modern_malformed(&[method, ("mcp-name", "add"), ("mcp-name", "delete_note")], ADD);
    modern_malformed(&[method, ("mcp-name", "delete_note"), ("mcp-name", "add")], DELETE);
    modern_malformed(&[method, ("mcp-name", "add"), ("mcp-name", "add")], ADD);
    modern_malformed(&[method, method, ("mcp-name", "add")], ADD);
}

#[test]
fn headers_that_servers_take_for_others() {
    let method = ("mcp-method", "tools/call");
    modern_malformed(&[method, ("mcp-name", "add"), ("mcp_name", "delete_note")], ADD);
    modern_malformed(&[method, ("Mcp_Name", "add")], ADD);
    modern_malformed(&[("mcp_method", "tools/call"), ("mcp-name", "add")], ADD);
}

#[test]
fn the_same_with_headers_that_are_trusted() {
    let method = ("mcp-method", "tools/call");
    for fields in [
        &[method, ("mcp-name", "add"), ("mcp-name", "delete_note")][..],
        &[method, ("mcp-name", "add"), ("mcp_name", "delete_note")],
        &[method, ("mcp-name", " delete_note")],
        &[method, ("mcp-name", "delete_note\t")],
        &[method, ("mcp-name", "=?base64?ZGVsZXRlX25vdGU?=")],
        &[method, ("mcp-name", "=?base64?ZGVsZXRlX25v\ndGU=?=")],
        &[method, ("mcp-name", "=?base64?YWRkAA==?=")],
        &[method],
        &[("mcp-method", "tools/call "), ("mcp-name", "add")],
        &[("mcp-method", ""), ("mcp-name", "add")],
    ] {
        let mut caller = caller(true);
        let outcome = caller.send(&[&[JSON, MODERN], fields].concat(), &[ADD]);
        assert_eq!(word(&outcome), "malformed_request", "{fields:?}");
    }
    for name in ["delete_note", "=?base64?ZGVsZXRlX25vdGU=?="] {
        let outcome = caller(true).send(&[JSON, MODERN, method, ("mcp-name", name)], &[ADD]);
        assert_eq!(word(&outcome), "insufficient_scope", "{name}");
    }
}

#[test]
fn an_encoded_name_against_the_literal_one() {
    let encoded = "=?base64?ZGVsZXRlX25vdGU=?=";
    let fields = [JSON, MODERN, ("mcp-method", "tools/call"), ("mcp-name", encoded)];
    assert_eq!(word(&send(&fields, DELETE)), "insufficient_scope");
    modern_malformed(&fields[2..], &params(&format!(r#"{{"name":"{encoded}"}}"#)));
    for name in
        ["=?BASE64?ZGVsZXRlX25vdGU=?=", "=?base64?ZGVsZXRlX25vdGU=", "=?utf-8?q?delete_note?="]
    {
        modern_malformed(&[("mcp-method", "tools/call"), ("mcp-name", name)], DELETE);
    }
}

#[test]
fn a_version_that_two_readers_compare_differently() {
    let says_add = [("mcp-method", "tools/call"), ("mcp-name", "add")];
    for version in [
        "",
        "2026-7-28",
        "2026-07-28 ",
        "2025-11-25, 2026-07-28",
        "latest",
        "20260728",
        "2025-11-25;2026-07-28",
    ] {
        let fields = [&[JSON, ("mcp-protocol-version", version)], &says_add[..]].concat();
        assert_eq!(word(&send(&fields, ADD)), "malformed_request", "{version:?}");
    }
    let older = ("mcp-protocol-version", "2025-11-25");
    for fields in [[older, MODERN], [MODERN, older], [MODERN, MODERN], [older, older]] {
        let fields = [&[JSON][..], &fields, &says_add].concat();
        assert_eq!(word(&send(&fields, ADD)), "malformed_request", "{fields:?}");
    }
    let fields = [JSON, MODERN, ("mcp_protocol_version", "2025-11-25")];
    assert_eq!(word(&send(&fields, ADD)), "malformed_request");
}

#[test]
fn an_older_version_to_have_the_headers_believed() {
    for version in ["2025-03-26", "2025-06-18", "2025-11-25", "0000-00-00"] {
        let fields = [
            JSON,
            ("mcp-protocol-version", version),
            ("mcp-method", "tools/call"),
            ("mcp-name", "add"),
        ];
        for trusts in [false, true] {
            let outcome = caller(trusts).send(&fields, &[DELETE]);
            assert_eq!(word(&outcome), "insufficient_scope", "{version}");
        }
    }
}

#[test]
fn a_version_in_the_body_alone_changes_nothing() {
    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
    denied(&params(&format!(r#"{{{meta},"name":"delete_note"}}"#)));
}

#[test]
fn a_batch_where_the_version_has_none() {
    let fields = [("mcp-method", "tools/call"), ("mcp-name", "add")];
    modern_malformed(&fields, &format!("[{ADD}]"));
    modern_malformed(&fields, &format!("[{ADD},{ADD}]"));
    modern_malformed(&fields, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
}
