//! What Redis says about itself, for operators; nothing that requests need.

use std::collections::BTreeMap;

use redis::{RedisResult, cmd};
use tokio::time::timeout;

use super::{
    address::{ANSWER_WITHIN, CONNECT_WITHIN, RedisAddress},
    connection::Link,
};

/// What a server says about itself.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    info: BTreeMap<String, String>,
    config: BTreeMap<String, String>,
}

/// A server by its address, with what it says or why it does not.
pub(crate) type Server = (String, Result<Facts, String>);

impl Facts {
    /// A line of `INFO`.
    pub fn info(&self, name: &str) -> Option<&str> {
        self.info.get(name).map(String::as_str)
    }

    /// A parameter of `CONFIG`; nothing where it may not be asked for.
    pub fn config(&self, name: &str) -> Option<&str> {
        self.config.get(name).map(String::as_str)
    }
}

impl RedisAddress {
    /// Asks every server that the address names; behind Sentinels, the master.
    ///
    /// # Errors
    /// A sentence, if it cannot even be told which servers there are.
    pub async fn inspect(&self) -> Result<Vec<Server>, String> {
        let within = (CONNECT_WITHIN + ANSWER_WITHIN) * 2;
        let links = timeout(within, self.links()).await;
        let links = links.map_err(|_| "connecting took too long".to_owned())?;
        let mut servers = Vec::new();
        for (name, link) in links.map_err(|why| why.to_string())? {
            let facts = match link {
                Ok(link) => ask(link).await.map_err(|why| why.to_string()),
                Err(why) => Err(why.to_string()),
            };
            servers.push((name, facts));
        }
        Ok(servers)
    }
}

async fn ask(mut link: Link) -> RedisResult<Facts> {
    let text: String = cmd("INFO").query_async(&mut link).await?;
    let lines = text.lines().filter_map(|line| line.trim_end().split_once(':'));
    let info = lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let mut config = BTreeMap::new();
    for name in ["save", "appendfsync", "min-replicas-to-write"] {
        // Managed servers do not let it be asked for.
        let mut asked = cmd("CONFIG");
        let answer: RedisResult<Vec<String>> =
            asked.arg("GET").arg(name).query_async(&mut link).await;
        if let Ok([_, value]) = answer.as_deref() {
            config.insert(name.to_owned(), value.clone());
        }
    }
    Ok(Facts { info, config })
}
