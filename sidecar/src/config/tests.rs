//! The table of variables, row by row.

use std::{fs, num::NonZeroU32, time::Duration};

use auth_core::user_id::HashDigits;

use super::{
    StoreConfig,
    oauth::TrustedHops,
    testing::{FERNET, KEY, OAUTH, build},
};

#[test]
fn nothing_set_is_sessions_only_on_loopback() {
    let config = build(&[]).unwrap();
    assert_eq!(config.internal_listen.to_string(), "127.0.0.1:8082");
    assert_eq!(config.listen.to_string(), "127.0.0.1:8081");
    assert_eq!(config.revocation_ttl, Duration::from_secs(86_400));
    assert_eq!(config.user_id_hash_digits, HashDigits::default());
    assert!(config.tokens.is_none() && config.oauth.is_none());
    assert!(
        matches!(config.store, StoreConfig::Embedded(folder) if folder.ends_with("mcp-auth-data"))
    );
}

#[test]
fn the_oauth_part_has_the_defaults_of_the_table() {
    let oauth = build(&OAUTH).unwrap().oauth.unwrap();
    assert_eq!(oauth.provider.issuer.as_str(), "https://tenant.auth0.com/");
    assert_eq!(oauth.provider.scopes, ["openid", "profile", "email", "offline_access"]);
    assert_eq!(oauth.url.as_str(), "https://auth.example/base");
    assert_eq!(oauth.scopes, ["mcp:read", "mcp:write"]);
    assert_eq!(oauth.lifetimes.access_token, Duration::from_secs(900));
    assert_eq!(oauth.lifetimes.refresh_token, Duration::from_secs(30 * 86_400));
    assert_eq!(oauth.lifetimes.login, Duration::from_secs(90 * 86_400));
    assert_eq!(oauth.registrations_per_minute, NonZeroU32::new(60));
    assert_eq!(oauth.trusted_hops, TrustedHops::ByPeer);
    assert_eq!(oauth.signing_keys[0].expose()[31], 0x1f);
}

#[test]
fn each_bad_value_is_refused_by_its_name() {
    for (name, value) in [
        ("MCP_AUTH_LISTEN", "localhost"),
        ("MCP_AUTH_INTERNAL_LISTEN", ":8082"),
        ("MCP_AUTH_TOKEN", "two words"),
        ("MCP_AUTH_TOKEN", ""),
        ("MCP_AUTH_REVOCATION_TTL", "0s"),
        ("MCP_AUTH_REVOCATION_TTL", "10"),
        ("MCP_AUTH_REVOCATION_TTL", "5m"),
        ("MCP_USER_ID_HASH_DIGITS", "7"),
        ("MCP_USER_ID_HASH_DIGITS", "41"),
        ("MCP_AUTH_DATA", "/proc/self/status"),
        ("REDIS_URL", "http://hunter2@redis"),
        ("REDIS_URL", ""),
        ("MCP_AUTH_INSECURE_HTTP_HOSTS", "a,,b"),
        ("AUTH0_DOMAIN", "https://tenant.auth0.com"),
        ("AUTH0_DOMAIN", "tenant.auth0.com/path"),
        ("AUTH0_CLIENT_SECRET", ""),
        ("OIDC_SCOPES", "profile"),
        ("OIDC_PROMPT", "none"),
        ("OIDC_PROMPT", "login  consent"),
        ("MCP_AUTH_BRAND_NAME", "a\nb"),
        ("MCP_AUTH_BRAND_LOGO", "http://logo.example/a.svg"),
        ("MCP_AUTH_BRAND_LOGO", "data:image/svg+xml,<svg/>"),
        ("MCP_AUTH_URL", "auth.example"),
        ("MCP_AUTH_URL", "http://auth.example"),
        ("MCP_AUTH_URL", "https://auth.example?x=y"),
        ("MCP_AUTH_URL", "https://auth.example/:x"),
        ("MCP_AUTH_URL", "https://auth.example/*x"),
        ("MCP_AUTH_URL", "https://user@auth.example"),
        ("MCP_RESOURCES", "https://mcp.example/mcp,"),
        ("MCP_RESOURCES", "https://mcp.example/mcp#fragment"),
        ("MCP_RESOURCES", "https://mcp.example/mcp,https://mcp.example/mcp"),
        ("MCP_SCOPES", "mcp read"),
        ("MCP_ACCESS_TOKEN_TTL", "61m"),
        ("MCP_REFRESH_TOKEN_TTL", "a month"),
        ("MCP_LOGIN_TTL", "-1d"),
        ("MCP_REGISTRATIONS_PER_MINUTE", "-1"),
        ("MCP_AUTH_TRUSTED_HOPS", "one"),
        ("JWT_SIGNING_KEY", "hunter2"),
        ("JWT_SIGNING_KEY", &format!("{KEY},")),
        ("STORAGE_ENCRYPTION_KEY", "hunter2"),
        ("MCP_AUTH_CIMD_ALLOW_LOOPBACK", "yes"),
        ("MCP_AUTH_CIMD_CA_FILE", "/does/not/exist"),
    ] {
        let given: Vec<_> =
            OAUTH.into_iter().filter(|row| row.0 != name).chain([(name, value)]).collect();
        let refused = build(&given).unwrap_err();
        assert!(refused.starts_with(&format!("{name} ")), "{name}={value}: {refused}");
        assert!(!refused.contains("hunter2"), "{refused}");
    }
}

#[test]
fn what_is_missing_or_contradictory_is_refused_by_name() {
    for (extra, named) in [
        (vec![("OIDC_ISSUER", "https://idp.example/")], "AUTH0_DOMAIN"),
        (vec![("OIDC_CLIENT_ID", "client")], "AUTH0_CLIENT_ID"),
        (vec![("OIDC_CLIENT_SECRET", "secret")], "AUTH0_CLIENT_SECRET"),
        (vec![("OIDC_AUDIENCE", "audience")], "AUTH0_AUDIENCE"),
        (vec![("REDIS_URL", "redis://h")], "STORAGE_ENCRYPTION_KEY"),
        (vec![("MCP_AUTH_LISTEN", "127.0.0.1:8082")], "MCP_AUTH_LISTEN"),
    ] {
        let given: Vec<_> = OAUTH.into_iter().chain(extra).collect();
        assert!(build(&given).unwrap_err().starts_with(named), "{given:?}");
    }
    for missing in OAUTH.into_iter().skip(1) {
        let given: Vec<_> = OAUTH.into_iter().filter(|row| *row != missing).collect();
        assert!(build(&given).unwrap_err().starts_with(missing.0), "without {}", missing.0);
        assert!(build(&[missing]).unwrap_err().starts_with(missing.0), "{} alone", missing.0);
    }
    assert!(build(&[("STORAGE_ENCRYPTION_KEY", FERNET)]).is_err());
    let open = ("MCP_AUTH_INTERNAL_LISTEN", "0.0.0.0:8082");
    assert!(build(&[open]).unwrap_err().starts_with("MCP_AUTH_TOKEN"));
    assert!(build(&[open, ("MCP_AUTH_TOKEN", "token")]).is_ok());
}

#[test]
fn http_is_for_loopback_and_named_hosts() {
    let with = |extra: &[(&'static str, &'static str)]| {
        let kept = OAUTH.into_iter().filter(|row| extra.iter().all(|it| it.0 != row.0));
        build(&kept.chain(extra.iter().copied()).collect::<Vec<_>>())
    };
    assert!(with(&[("MCP_AUTH_URL", "http://127.0.0.1:8081")]).is_ok());
    assert!(with(&[("MCP_RESOURCES", "http://localhost/mcp,http://[::1]/mcp")]).is_ok());
    assert!(with(&[("MCP_AUTH_URL", "http://127.0.0.1.evil.example")]).is_err());
    let named = ("MCP_AUTH_INSECURE_HTTP_HOSTS", "gateway");
    assert!(with(&[named, ("MCP_AUTH_URL", "http://gateway:10000")]).is_ok());
    assert!(with(&[named, ("MCP_AUTH_URL", "http://gateway.example")]).is_err());
}

#[test]
fn several_keys_are_kept_in_order() {
    let other = "ff".repeat(32);
    let keys = format!("{KEY},{other}");
    let given: Vec<_> = OAUTH
        .into_iter()
        .filter(|row| row.0 != "JWT_SIGNING_KEY")
        .chain([
            ("JWT_SIGNING_KEY", keys.as_str()),
            ("STORAGE_ENCRYPTION_KEY", FERNET),
            ("REDIS_URL", "redis://h"),
        ])
        .collect();
    let oauth = build(&given).unwrap().oauth.unwrap();
    assert_eq!(oauth.signing_keys.iter().map(|key| key.expose()[0]).collect::<Vec<_>>(), [0, 255]);
    assert_eq!(oauth.storage_keys[0].expose()[1], 1);
}

#[test]
fn secrets_may_come_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, "token\n").unwrap();
    let path = file.to_str().unwrap();
    let config = build(&[("MCP_AUTH_TOKEN_FILE", path)]).unwrap();
    assert!(config.tokens.unwrap().matches(b"token"));
    let both = build(&[("MCP_AUTH_TOKEN_FILE", path), ("MCP_AUTH_TOKEN", "token")]);
    assert!(both.unwrap_err().starts_with("MCP_AUTH_TOKEN and MCP_AUTH_TOKEN_FILE"));
    for bad in ["/does/not/exist", folder.path().to_str().unwrap(), "/dev/zero"] {
        let refused = build(&[("MCP_AUTH_TOKEN_FILE", bad)]).unwrap_err();
        assert!(refused.starts_with("MCP_AUTH_TOKEN_FILE"), "{refused}");
    }
}

#[test]
fn a_private_ca_of_redis_needs_tls_and_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let made = rcgen::generate_simple_self_signed(["redis".to_owned()]).unwrap();
    let good = file("ca.pem", &made.cert.pem());
    let key_only = file("key.pem", &made.signing_key.serialize_pem());
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let broken = file("broken.pem", broken);
    let folder = folder.path().to_str().unwrap();
    let with = |url: &str, ca: &str| build(&[("REDIS_URL", url), ("REDIS_CA_FILE", ca)]);
    for url in ["rediss://h", "rediss+cluster://a,b", "rediss+sentinel://a/main"] {
        let StoreConfig::Redis(address) = with(url, &good).unwrap().store else { panic!("{url}") };
        assert!(address.to_string().ends_with("by TLS with the CAs of REDIS_CA_FILE"), "{url}");
    }
    for refused in [
        with("redis://h", &good),
        with("rediss://h", &key_only),
        with("rediss://h", &broken),
        with("rediss://h", "/does/not/exist"),
        with("rediss://h", folder),
        build(&[("REDIS_CA_FILE", &good)]),
    ] {
        let refused = refused.unwrap_err();
        assert!(refused.starts_with("REDIS_CA_FILE "), "{refused}");
    }
}

#[test]
fn no_secret_is_ever_shown() {
    let given: Vec<_> = OAUTH
        .into_iter()
        .chain([
            ("MCP_AUTH_TOKEN", "hunter2"),
            ("REDIS_URL", "redis://:hunter2@redis/0"),
            ("STORAGE_ENCRYPTION_KEY", FERNET),
        ])
        .collect();
    let shown = format!("{:?}", build(&given).unwrap());
    for secret in ["hunter2", KEY, FERNET] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.contains("[redacted]"));
}
