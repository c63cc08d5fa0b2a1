//! The rules of `resources[]` about scopes, claims, logins and calls, from what is written to what is
//! valid. A rule that could not be enforced is refused.

use serde_json::Value;

use super::{
    ClaimRule, ConfigRefused, ScopeHierarchy,
    build::{at_least_one, each, positive, scopes},
    field::Field,
    raw::{RawNeeds, RawResource, RawRule},
};
use crate::{
    mcp::{
        call::NameMember,
        name_pattern::NamePattern,
        policy::{CallPolicy, CallRule},
    },
    needs::Needs,
    scope::Scope,
};

/// Rules of one resource, at most: each costs every call a comparison.
const MOST_RULES: usize = 1000;

pub(super) fn calls(
    field: &Field<'_>,
    raw: &RawResource,
    reads_bodies: bool,
) -> Result<CallPolicy, ConfigRefused> {
    let mut rules: Vec<CallRule> = Vec::new();
    for (list, raw) in [("tools", &raw.tools), ("methods", &raw.methods)] {
        let list = field.member(list);
        for (nth, raw) in raw.iter().enumerate() {
            let field = list.item(nth);
            let rule = rule(&field, raw)?;
            if rules.iter().any(|other| (&other.method, &other.name) == (&rule.method, &rule.name))
            {
                return Err(field.refused("another rule has the same method and name"));
            }
            if rules.len() == MOST_RULES {
                return Err(field.refused(format!("at most {MOST_RULES} rules")));
            }
            rules.push(rule);
        }
    }
    if !rules.is_empty() && !reads_bodies && !raw.trust_mcp_headers {
        let list = if raw.tools.is_empty() { "methods" } else { "tools" };
        return Err(field.member(list).refused(
            "these rules need to know what a request calls: set body_access (where the host lets a \
             filter read bodies while it holds the headers), or trust_mcp_headers",
        ));
    }
    Ok(CallPolicy { rules, trusts_headers: raw.trust_mcp_headers })
}

fn rule(field: &Field<'_>, raw: &RawRule) -> Result<CallRule, ConfigRefused> {
    let pattern =
        |name: &str, text| NamePattern::parse(text).map_err(|why| field.member(name).refused(why));
    if raw.name.is_some() && NameMember::of(&raw.method).is_none() {
        let naming = NameMember::methods().collect::<Vec<_>>().join(", ");
        return Err(field
            .member("name")
            .refused(format!("only these methods name something: {naming}")));
    }
    let rule = CallRule {
        method: pattern("method", &raw.method)?,
        name: raw.name.as_deref().map(|name| pattern("name", name)).transpose()?,
        needs: needs(field, &raw.needs)?,
    };
    if rule.needs.is_empty() {
        return Err(field.member("scopes").refused("name scopes, max_age or acr_values"));
    }
    Ok(rule)
}

/// What a resource or a rule asks for.
pub(super) fn needs(field: &Field<'_>, raw: &RawNeeds) -> Result<Needs, ConfigRefused> {
    let acr_values = each(&field.member("acr_values"), &raw.acr_values, |field, value| {
        Scope::parse(value).map(|_| value.clone()).map_err(|_| {
            field.refused("printable ASCII without spaces, quotes or backslashes is needed")
        })
    })?;
    let max_age = raw.max_age.as_deref().map(|text| positive(&field.member("max_age"), text));
    Ok(Needs {
        scopes: scopes(&field.member("scopes"), &raw.scopes)?,
        max_age: max_age.transpose()?,
        acr_values: if acr_values.is_empty() { Vec::new() } else { vec![acr_values] },
    })
}

pub(super) fn claim_rules(
    field: &Field<'_>,
    raw: &[(String, Vec<Value>)],
) -> Result<Vec<ClaimRule>, ConfigRefused> {
    let rule = |(name, values): &(String, Vec<Value>)| {
        let field = field.member(name);
        let values = each(&field, values, |field, value| match value {
            Value::String(_) | Value::Number(_) | Value::Bool(_) => Ok(value.clone()),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                Err(field.refused("a value is a string, a number or a boolean"))
            }
        })?;
        Ok(ClaimRule { name: name.clone(), values: at_least_one(&field, values)? })
    };
    raw.iter().map(rule).collect()
}

/// Each scope with everything that it brings, however many steps away.
pub(super) fn scope_hierarchy(
    field: &Field<'_>,
    raw: &[(String, Vec<String>)],
) -> Result<ScopeHierarchy, ConfigRefused> {
    for (scope, implied) in raw {
        let field = field.member(scope);
        scopes(&field, std::slice::from_ref(scope))?;
        at_least_one(&field, scopes(&field, implied)?)?;
        if implied.contains(scope) {
            return Err(field.refused("a scope does not imply itself"));
        }
    }
    let closure = |scope: &String| {
        let mut found: Vec<String> = Vec::new();
        let mut left = vec![scope];
        while let Some(scope) = left.pop() {
            let implied = raw.iter().filter(|(implies, _)| implies == scope);
            for implied in implied.flat_map(|(_, implied)| implied) {
                if !found.contains(implied) {
                    found.push(implied.clone());
                    left.push(implied);
                }
            }
        }
        found
    };
    Ok(raw.iter().map(|(scope, _)| (scope.clone(), closure(scope))).collect())
}
