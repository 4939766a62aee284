//! What of a message's head goes on to the next hop.

use std::net::IpAddr;

use hyper::HeaderMap;
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};

use crate::ring::hash;

/// Meant for one connection alone (RFC 9110, 7.6.1, and those that came before it).
static HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];
static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// What a client may be known by, as header and as cookie.
static KEY: HeaderName = HeaderName::from_static("x-selvedge-key");
const KEY_COOKIE: &str = "selvedge-key";

/// Takes away what is meant for one connection, and what `Connection` names.
pub fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in HOP_BY_HOP.iter().chain(&named) {
        headers.remove(name);
    }
}

/// The head of a request, for a replica: stripped, and saying whom it came from.
pub fn forward(headers: &mut HeaderMap, client: IpAddr) {
    strip(headers);
    // The body is whole and will be measured again.
    headers.remove(CONTENT_LENGTH);
    headers.remove(EXPECT);
    let earlier = headers.get_all(&FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
    let chain: Vec<String> = earlier.map(str::to_owned).chain([client.to_string()]).collect();
    if let Ok(value) = HeaderValue::try_from(chain.join(", ")) {
        headers.insert(&FORWARDED_FOR, value);
    }
    headers.entry(&FORWARDED_PROTO).or_insert(HeaderValue::from_static("http"));
    if let Some(host) = headers.remove(HOST) {
        headers.entry(&FORWARDED_HOST).or_insert(host);
    }
}

/// What a client is known by: a header, else a cookie, else its address.
pub fn key(headers: &HeaderMap, client: IpAddr) -> u64 {
    if let Some(key) = headers.get(&KEY) {
        return hash(key.as_bytes());
    }
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    match pairs.find(|(name, _)| *name == KEY_COOKIE) {
        Some((_, value)) => hash(value.as_bytes()),
        None => hash(client.to_string().as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        HeaderMap::from_iter(pairs.iter().map(pair))
    }

    #[test]
    fn hop_by_hop_headers_and_those_that_connection_names_stay_here() {
        let mut head = headers(&[
            ("connection", "keep-alive, X-Private"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("x-private", "1"),
            ("content-type", "image/png"),
        ]);
        strip(&mut head);
        assert_eq!(head, headers(&[("content-type", "image/png")]));
    }

    #[test]
    fn a_replica_learns_the_client_and_the_hops_before() {
        let client = "10.0.0.7".parse().unwrap();
        let mut head =
            headers(&[("host", "example.org"), ("x-forwarded-for", "1.2.3.4"), ("content-length", "3")]);
        forward(&mut head, client);
        let expected = [
            ("x-forwarded-for", "1.2.3.4, 10.0.0.7"),
            ("x-forwarded-host", "example.org"),
            ("x-forwarded-proto", "http"),
        ];
        assert_eq!(head, headers(&expected));
    }

    #[test]
    fn the_key_is_header_then_cookie_then_address() {
        let (here, there) = ("10.0.0.7".parse().unwrap(), "10.0.0.8".parse().unwrap());
        let by_header = headers(&[("x-selvedge-key", "anna"), ("cookie", "selvedge-key=otto")]);
        let by_cookie = headers(&[("cookie", "a=b; selvedge-key=otto")]);
        assert_eq!(key(&by_header, here), hash(b"anna"));
        assert_eq!(key(&by_cookie, here), hash(b"otto"));
        assert_eq!(key(&by_cookie, there), key(&by_cookie, here));
        assert_ne!(key(&HeaderMap::new(), here), key(&HeaderMap::new(), there));
    }
}
