//! What the Management API is called with: a token, or a machine-to-machine application that may
//! ask for one (RFC 6749 §4.4).

use crate::{config::Refused, config::raw, secret::Secret};

/// Either of the two.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// A management token, used as it is.
    Token(Secret),
    /// An application to which the Management API is granted.
    Application {
        /// Its client id.
        client_id: String,
        /// Its secret.
        client_secret: Secret,
    },
}

impl Credentials {
    /// From `AUTH0_MGMT_TOKEN`, or from `AUTH0_MGMT_CLIENT_ID` and `AUTH0_MGMT_CLIENT_SECRET`; the
    /// secrets may be `NAME_FILE` instead.
    ///
    /// # Errors
    /// [`Refused`] if there is neither, or both, or half.
    pub fn collect(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Refused> {
        const TOKEN: &str = "AUTH0_MGMT_TOKEN";
        const ID: &str = "AUTH0_MGMT_CLIENT_ID";
        const SECRET: &str = "AUTH0_MGMT_CLIENT_SECRET";

        let token = raw::secret(TOKEN, &variable)?;
        let client_id = variable(ID).filter(|id| !id.is_empty());
        let client_secret = raw::secret(SECRET, &variable)?;
        match (token, client_id, client_secret) {
            (Some(token), None, None) => Ok(Self::Token(token)),
            (None, Some(client_id), Some(client_secret)) => {
                Ok(Self::Application { client_id, client_secret })
            }
            (None, None, None) => {
                let why = "is required: a management token, or AUTH0_MGMT_CLIENT_ID and \
                           AUTH0_MGMT_CLIENT_SECRET (or _FILE) of an application that may use the \
                           Management API";
                Err(Refused::new(TOKEN, why))
            }
            (Some(_), _, _) => {
                Err(Refused::new(TOKEN, "and AUTH0_MGMT_CLIENT_… are both set: only one may be"))
            }
            (None, Some(_), None) => Err(Refused::new(SECRET, "(or _FILE) is missing")),
            (None, None, Some(_)) => Err(Refused::new(ID, "is missing")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_way_to_authenticate_is_asked_for() {
        let collect = |given: &[(&str, &str)]| {
            let variable = |name: &str| {
                given.iter().find(|(it, _)| *it == name).map(|(_, value)| (*value).to_owned())
            };
            Credentials::collect(variable).map_err(|why| why.to_string())
        };
        let (id, secret) = (("AUTH0_MGMT_CLIENT_ID", "i"), ("AUTH0_MGMT_CLIENT_SECRET", "s"));
        let token = ("AUTH0_MGMT_TOKEN", "hush");
        assert!(matches!(collect(&[token]), Ok(Credentials::Token(_))));
        assert!(matches!(collect(&[id, secret]), Ok(Credentials::Application { .. })));
        for (given, named) in [
            (&[][..], "AUTH0_MGMT_TOKEN is required"),
            (&[token, id], "AUTH0_MGMT_TOKEN and"),
            (&[id], "AUTH0_MGMT_CLIENT_SECRET"),
            (&[secret], "AUTH0_MGMT_CLIENT_ID is missing"),
        ] {
            let why = collect(given).unwrap_err();
            assert!(why.starts_with(named) && !why.contains("hush"), "{why}");
        }
    }
}
