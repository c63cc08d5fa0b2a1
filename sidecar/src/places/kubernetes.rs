//! Secrets of Kubernetes: read whole, changed, and put back under the version that was read, so that
//! the API refuses what somebody else has overtaken.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use super::{ATTEMPTS, Held, Named, NotKept, in_cluster::InCluster, kubectl::Kubectl, text};
use crate::secret::Secret;

/// Secrets of one namespace.
#[derive(Debug)]
pub struct Kubernetes(Api);

/// The way to the API.
#[derive(Debug)]
pub(super) enum Api {
    InCluster(InCluster),
    Kubectl(Kubectl),
}

/// What the API says to a change.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Written {
    Done,
    /// Somebody else was quicker.
    Overtaken,
}

impl Kubernetes {
    pub(super) fn new(api: Api) -> Self {
        Self(api)
    }

    pub(super) async fn read(&self, named: Named) -> Result<Option<Held>, NotKept> {
        match self.get(named).await? {
            Some(object) => held(&object, named),
            None => Ok(None),
        }
    }

    pub(super) async fn change<E: From<NotKept>>(
        &self,
        named: Named,
        mut decide: impl FnMut(Option<Held>) -> Result<Option<Held>, E>,
    ) -> Result<(), E> {
        for _ in 0..ATTEMPTS {
            let there = self.get(named).await?;
            let before = there.as_ref().map(|object| held(object, named)).transpose()?.flatten();
            let Some(new) = decide(before)? else { return Ok(()) };
            let written = match there {
                Some(mut object) => {
                    put(&mut object, named, &new);
                    self.replace(named, &object).await?
                }
                None => {
                    let mut object = empty(named.secret());
                    put(&mut object, named, &new);
                    self.create(named, &object).await?
                }
            };
            if written == Written::Done {
                return Ok(());
            }
        }
        Err(NotKept::Contended(named.secret()).into())
    }

    async fn get(&self, named: Named) -> Result<Option<Value>, NotKept> {
        match &self.0 {
            Api::InCluster(api) => api.get(named.secret()).await,
            Api::Kubectl(kubectl) => kubectl.get(named.secret()).await,
        }
    }

    async fn replace(&self, named: Named, object: &Value) -> Result<Written, NotKept> {
        if text(object, "/metadata/resourceVersion").is_none() {
            let why = "the API told no resourceVersion".to_owned();
            return Err(NotKept::Kubernetes { secret: named.secret(), why });
        }
        match &self.0 {
            Api::InCluster(api) => api.replace(named.secret(), object).await,
            Api::Kubectl(kubectl) => kubectl.replace(named.secret(), object).await,
        }
    }

    async fn create(&self, named: Named, object: &Value) -> Result<Written, NotKept> {
        match &self.0 {
            Api::InCluster(api) => api.create(named.secret(), object).await,
            Api::Kubectl(kubectl) => kubectl.create(named.secret(), object).await,
        }
    }
}

/// A Secret with these values, as YAML for `kubectl apply`. A string of JSON is one of YAML.
pub fn manifest(secret: &str, namespace: Option<&str>, values: &[(Named, Secret)]) -> String {
    let namespace =
        namespace.map_or_else(String::new, |it| format!("  namespace: {}\n", json!(it)));
    let mut text = format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {secret}\n{namespace}  labels:\n    \
         app.kubernetes.io/part-of: mcp-auth\ntype: Opaque\nstringData:\n"
    );
    for (named, value) in values {
        text.push_str(&format!("  {}: {}\n", named.key(), json!(value.expose())));
    }
    text
}

fn empty(secret: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": secret, "labels": {"app.kubernetes.io/part-of": "mcp-auth"}},
        "type": "Opaque",
        "data": {},
    })
}

fn held(object: &Value, named: Named) -> Result<Option<Held>, NotKept> {
    let Some(encoded) = object["data"].get(named.key()) else { return Ok(None) };
    let value = encoded.as_str().and_then(|encoded| STANDARD.decode(encoded).ok());
    let value = value.and_then(|value| String::from_utf8(value).ok());
    let Some(value) = value else {
        let why = format!("{} is not text in Base64", named.key());
        return Err(NotKept::Kubernetes { secret: named.secret(), why });
    };
    let notes = object["metadata"]["annotations"].get(annotation(named));
    let notes = notes.and_then(Value::as_str).map(str::to_owned);
    Ok(Some(Held { value: Secret::new(value.trim_end_matches(['\r', '\n'])), notes }))
}

fn put(object: &mut Value, named: Named, new: &Held) {
    let encoded = STANDARD.encode(new.value.expose());
    members(&mut object["data"]).insert(named.key().to_owned(), json!(encoded));
    if let Some(notes) = &new.notes {
        let annotations = members(&mut object["metadata"]["annotations"]);
        annotations.insert(annotation(named), json!(notes));
    }
}

fn members(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = json!({});
    }
    value.as_object_mut().expect("it is one now")
}

fn annotation(named: Named) -> String {
    format!("mcp-auth/rotation-{}", named.key())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_reads_back_and_leaves_the_rest_alone() {
        let mut object = json!({
            "metadata": {"name": "mcp-jwt-signing-key", "resourceVersion": "7", "annotations": {"a": "b"}},
            "data": {"other": "eA=="},
        });
        let new = Held { value: Secret::new("key"), notes: Some("{}".to_owned()) };
        put(&mut object, Named::SigningKey, &new);
        let there = held(&object, Named::SigningKey).unwrap().unwrap();
        assert_eq!((there.value.expose(), there.notes.as_deref()), ("key", Some("{}")));
        assert_eq!(object["data"]["other"], "eA==");
        assert_eq!(object["metadata"]["annotations"]["a"], "b");
        assert!(held(&object, Named::StorageKey).unwrap().is_none());
        object["data"]["jwt-signing-key"] = json!("%");
        assert!(held(&object, Named::SigningKey).is_err());
    }
}
