//! What holds for every request and every answer.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::error::{ApiError, Code};

/// Scripts of this server alone, and WebAssembly; nothing inline, nothing from elsewhere.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; \
    style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; worker-src 'self'; font-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HEADERS: [(header::HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Refuses what another site's page asks for, and puts the headers of safety on every answer.
///
/// A server on loopback is open to whoever sits at the machine, and so to every page in their browser. A page
/// of another site names itself in `Origin`; one that has made its own name lead here names that in `Host`.
pub(super) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let mut response = match check_origin(request.headers(), app.on_loopback()) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn check_origin(headers: &HeaderMap, on_loopback: bool) -> Result<(), ApiError> {
    let foreign = |detail: &str| Err(ApiError::new(Code::ForeignOrigin, detail));
    if [header::HOST, header::ORIGIN].iter().any(|name| headers.get_all(name).iter().count() > 1) {
        return foreign("the request names several hosts or origins");
    }
    let host: Option<Authority> = headers.get(header::HOST).and_then(|host| host.to_str().ok()?.parse().ok());
    if on_loopback && !host.as_ref().is_some_and(is_loopback) {
        return foreign("this server answers to localhost, 127.0.0.1 and [::1] only");
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let named = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, named)| named);
    let own = named.is_some() && host.as_ref().map(Authority::as_str) == named;
    if own { Ok(()) } else { foreign("the request comes from a page of another site") }
}

fn is_loopback(host: &Authority) -> bool {
    let name = host.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_this_server_may_ask() {
        let check = |host: &str, origin: Option<&str>, expect: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            assert_eq!(check_origin(&headers, true).is_ok(), expect, "{host} {origin:?}");
        };
        check("127.0.0.1:7117", None, true);
        check("localhost:7117", Some("http://localhost:7117"), true);
        check("[::1]:7117", Some("http://[::1]:7117"), true);
        check("localhost:7117", Some("http://localhost:8000"), false);
        check("127.0.0.1:7117", Some("http://evil.example"), false);
        check("127.0.0.1:7117", Some("null"), false);
        check("evil.example:7117", Some("http://evil.example:7117"), false);
        check("evil.example", None, false);
        check("127.0.0.1.evil.example", None, false);
        assert!(check_origin(&HeaderMap::new(), true).is_err());
        assert!(check_origin(&HeaderMap::new(), false).is_ok());
    }
}
