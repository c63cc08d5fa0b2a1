//! The browser in which a user allows a client and logs in, without a person in front of it.

use anyhow::{Context as _, bail};
use reqwest::header::LOCATION;
use reqwest::{Client, Response, Url, redirect};

/// More pages and redirects than any login has.
const MOST_STEPS: usize = 20;

/// A browser with its cookies, and who sits in front of it.
#[derive(Debug)]
pub(crate) struct Browser {
    http: Client,
    username: String,
}

impl Browser {
    /// One that has been nowhere yet.
    ///
    /// # Errors
    /// If the HTTP client cannot be set up.
    pub(crate) fn of(username: &str) -> anyhow::Result<Self> {
        let client = Client::builder().redirect(redirect::Policy::none()).cookie_store(true);
        Ok(Self { http: client.build()?, username: username.to_owned() })
    }

    /// Goes to `start`, follows redirects, answers the pages on the way (yes to a client, then the
    /// login), and stops in front of `end`. Returns the address that it would go to there.
    ///
    /// # Errors
    /// If a page comes that is neither of these, or too many.
    pub(crate) async fn go(&self, start: Url, end: &str) -> anyhow::Result<Url> {
        let mut answer = self.http.get(start).send().await?;
        for _ in 0..MOST_STEPS {
            if answer.status().is_redirection() {
                let to = redirected(&answer)?;
                if to.as_str().starts_with(end) {
                    return Ok(to);
                }
                answer = self.http.get(to).send().await?;
            } else {
                answer = self.answer_page(answer).await?;
            }
        }
        bail!("the login has no end: it is at {} now", answer.url())
    }

    async fn answer_page(&self, page: Response) -> anyhow::Result<Response> {
        let url = page.url().clone();
        let html = page.error_for_status()?.text().await?;
        let form = if let Some(consent) = hidden(&html, "consent") {
            [("consent", consent), ("decision", "allow")]
        } else if let Some(state) = hidden(&html, "state") {
            [("state", state), ("username", self.username.as_str())]
        } else {
            bail!("{url} shows neither a question nor a login");
        };
        let action = attribute(&html, "action=\"").context("the page has a form without action")?;
        Ok(self.http.post(url.join(&action.replace("&amp;", "&"))?).form(&form).send().await?)
    }
}

/// The value of a hidden field of this name, in pages as `mcp-auth` and `dev-idp` write them.
fn hidden<'h>(html: &'h str, name: &str) -> Option<&'h str> {
    attribute(html, &format!("name=\"{name}\" value=\""))
}

/// What stands behind the first `begin`, up to the next quote.
fn attribute<'h>(html: &'h str, begin: &str) -> Option<&'h str> {
    let (_, after) = html.split_once(begin)?;
    after.split('"').next()
}

fn redirected(answer: &Response) -> anyhow::Result<Url> {
    let url = answer.url();
    let to = answer.headers().get(LOCATION).and_then(|to| to.to_str().ok());
    match to {
        Some(to) => Ok(url.join(to)?),
        None => bail!("{url} answered {} without saying where to", answer.status()),
    }
}

#[cfg(test)]
mod tests {
    use super::{attribute, hidden};

    #[test]
    fn the_first_form_of_a_page_is_read() {
        let html = r#"<form action="/consent" method="post"><input type="hidden" name="consent" value="c1">"#;
        assert_eq!(hidden(html, "consent"), Some("c1"));
        assert_eq!(hidden(html, "state"), None);
        assert_eq!(attribute(html, "action=\""), Some("/consent"));
    }
}
