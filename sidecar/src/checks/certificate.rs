//! How long a server's certificate still lasts. That it is trusted is what the connection says.

use auth_core::time::UnixTime;
use x509_parser::{parse_x509_certificate, prelude::X509Certificate};

use super::{fetch::Page, finding::Finding};

/// Fewer days than this are worth a word: certificates that renew themselves do so at thirty.
const FEW_DAYS: u64 = 14;

/// What there is to say of the certificate by which an answer came.
pub fn check(subject: &str, page: &Page, now: UnixTime) -> Finding {
    let check = format!("{subject}: certificate");
    let Some(der) = &page.certificate else {
        return Finding::not_checked(check, "it is reached without TLS");
    };
    let Some(ends) = parse_x509_certificate(der).ok().and_then(|(_, it)| end(&it)) else {
        return Finding::not_checked(check, "its dates cannot be read");
    };
    let days = now.until(ends).as_secs() / 86_400;
    if days < FEW_DAYS {
        let advice = "renew it, and see why it was not renewed by itself";
        return Finding::warn(check, format!("trusted, but it ends in {days} days"), advice);
    }
    Finding::ok(check, format!("trusted, and good for {days} days"))
}

/// What to do about a connection that did not come to be.
pub fn advice(why: &str) -> &'static str {
    if why.contains("certificate") {
        return "the server's certificate is not trusted: renew it, let it be issued for this name, \
                or name its CA by SSL_CERT_FILE, for mcp-auth and in Envoy alike";
    }
    "see whether the name resolves and the address is reached from here, firewalls and proxies \
     included"
}

fn end(certificate: &X509Certificate<'_>) -> Option<UnixTime> {
    let secs = certificate.validity().not_after.timestamp();
    Some(UnixTime::from_secs(u64::try_from(secs).ok()?))
}
