use serde_json::json;

use super::*;

#[test]
fn a_member_of_another_type_is_refused_by_its_path() {
    let refused = refusal(json!({"inner": [{"name": "a"}, {"name": "b", "texts": ["a", 7]}]}));
    assert_eq!(refused.field, "inner[1].texts[1]");
    assert_eq!(refused.problem, "expected a string, found a number");
}

#[test]
fn a_misspelt_member_is_told_before_the_one_that_is_missing() {
    let refused = refusal(json!({"inner": [{"nmae": "a"}]}));
    assert_eq!(refused.field, "inner[0].nmae");
    assert_eq!(refused.problem, "unknown key; known are: name, texts");
    let refused = refusal(json!({"inner": [{}]}));
    assert_eq!(refused.field, "inner[0]");
    assert_eq!(refused.problem, "`name` is missing");
}

#[test]
fn no_value_is_quoted() {
    for secret in [json!(31_415), json!(["31415"]), json!({"31415": 1})] {
        let refused = refusal(json!({"text": secret}));
        assert_eq!(refused.field, "text");
        assert!(!refused.to_string().contains("31415"), "{refused}");
    }
    assert!(!refusal(json!({"word": "31415"})).to_string().contains("31415"));
}

#[test]
fn only_what_is_optional_may_be_null() {
    assert!(Members::document(json!({"maybe": null}), outer).is_ok());
    for name in ["text", "flag", "number", "word", "inner", "headers"] {
        assert_eq!(refusal(json!({ name: null })).field, name);
    }
}

#[test]
fn what_is_not_an_object_is_refused_at_its_own_field() {
    assert_eq!(refusal(json!([])).field, ".");
    assert_eq!(refusal(json!({"inner": [1]})).field, "inner[0]");
    assert_eq!(refusal(json!({"headers": "x"})).field, "headers");
    assert_eq!(refusal(json!({"headers": {"a": 1}})).field, "headers.a");
    assert_eq!(refusal(json!({"lists": {"a": ["b", 1]}})).field, "lists.a[1]");
    assert_eq!(refusal(json!({"lists": {"a": "b"}})).field, "lists.a");
}

fn refusal(document: Value) -> ConfigRefused {
    Members::document(document, outer).expect_err("it is refused")
}

fn outer(from: &mut Members) {
    from.text_or("text", "");
    from.optional_text("maybe");
    from.flag("flag");
    from.number_or("number", 1);
    from.word("word", &[("on", true), ("off", false)]);
    from.texts_by_name("headers", Vec::new);
    from.lists_by_name("lists", Members::as_text);
    from.objects("inner", inner);
}

fn inner(from: &mut Members) {
    from.text("name");
    from.texts_or("texts", &[]);
}
