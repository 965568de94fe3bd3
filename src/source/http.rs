// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Requests: redirects, timeouts, TLS by the system's certificates, proxies of
//! the environment (`http_proxy`, `https_proxy`, `all_proxy`, `no_proxy`).

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ureq::http::StatusCode;
use ureq::http::header::HeaderMap;
use ureq::tls::{RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, BodyReader};

use super::reference::Url;
use crate::error::{Error, ErrorKind, Result};
use crate::progress::{CancelToken, Monitor};

/// As many as browsers follow at most.
const MAX_REDIRECTS: u32 = 20;
/// Name resolution and connection, each.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// How often cancellation is looked at while the network is silent.
const WATCH: Duration = Duration::from_millis(100);

/// Makes requests; cancelling the monitor interrupts them.
pub(super) struct Client {
    agent: Agent,
    /// Sent with every request.
    headers: Vec<(String, String)>,
    monitor: Monitor,
    _watcher: Watcher,
}

/// A failed request, and whether to try it again.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: Error,
    /// How long the server asked to wait, where another try may help.
    pub(super) retry: Option<Duration>,
}

/// What a request is for, besides the whole file.
#[derive(Debug, Default)]
pub(super) struct Conditions<'a> {
    /// From this byte on, if the file is still that of the validator.
    pub(super) range: Option<(u64, &'a str)>,
    /// Only if it is no longer the file with this entity tag.
    pub(super) none_match: Option<&'a str>,
    /// Only if it was modified since.
    pub(super) modified_since: Option<&'a str>,
}

/// The head of an answer, and its body to read.
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) length: Option<u64>,
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<String>,
    pub(super) content_range: Option<ContentRange>,
    /// Who the server wants to be told.
    pub(super) challenge: Option<String>,
    pub(super) body: BodyReader<'static>,
}

/// `bytes FIRST-LAST/TOTAL` or `bytes */TOTAL`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ContentRange {
    pub(super) first: Option<u64>,
    pub(super) total: Option<u64>,
}

impl Client {
    /// `silence`: how long a server may send nothing.
    pub(super) fn new(
        monitor: &Monitor,
        silence: Duration,
        headers: &[(String, String)],
    ) -> Result<Self> {
        let provider = rustls::crypto::ring::default_provider();
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .root_certs(RootCerts::PlatformVerifier)
            .unversioned_rustls_crypto_provider(Arc::new(provider))
            .build();
        let agent = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .max_redirects(MAX_REDIRECTS)
            .user_agent(concat!("imagewright/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(CONNECT_TIMEOUT))
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(silence))
            .timeout_per_read(Some(silence))
            .timeout_per_write(Some(silence))
            .build()
            .new_agent();
        let watcher = Watcher::start(&agent, monitor.cancel_token())?;
        Ok(Self {
            agent,
            headers: headers.to_vec(),
            monitor: monitor.clone(),
            _watcher: watcher,
        })
    }

    /// Requests `url`; an answer of any status but 429 and 5xx is a success.
    pub(super) fn get(
        &self,
        url: &Url,
        conditions: &Conditions<'_>,
    ) -> Result<Response, Failure> {
        self.monitor.check().map_err(Failure::last)?;
        let mut request = self
            .agent
            .get(url.request_text())
            .config()
            // Once authenticated, a redirect must not lead out of it.
            .https_only(url.is_https())
            .build()
            .header("Accept-Encoding", "identity");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some((first, validator)) = conditions.range {
            request = request
                .header("Range", format!("bytes={first}-"))
                .header("If-Range", validator);
        }
        if let Some(tag) = conditions.none_match {
            request = request.header("If-None-Match", tag);
        }
        if let Some(date) = conditions.modified_since {
            request = request.header("If-Modified-Since", date);
        }
        let answer = request.call().map_err(|e| self.failure(&e))?;
        let (head, body) = answer.into_parts();
        check_status(head.status, &head.headers)?;
        check_encoding(&head.headers)?;
        Ok(Response {
            status: head.status.as_u16(),
            length: text(&head.headers, "content-length")
                .and_then(|length| length.trim().parse().ok()),
            etag: text(&head.headers, "etag"),
            last_modified: text(&head.headers, "last-modified"),
            challenge: text(&head.headers, "www-authenticate"),
            content_range: text(&head.headers, "content-range")
                .and_then(|range| ContentRange::parse(&range)),
            body: body.into_reader(),
        })
    }

    /// Reads the next bytes of a body.
    pub(super) fn read(
        &self,
        body: &mut BodyReader<'static>,
        buffer: &mut [u8],
    ) -> Result<usize, Failure> {
        loop {
            match body.read(buffer) {
                Ok(0) => {
                    // A shut-down connection may look like a clean end.
                    self.monitor.check().map_err(Failure::last)?;
                    return Ok(0);
                }
                Ok(count) => return Ok(count),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {
                    self.monitor.check().map_err(Failure::last)?;
                }
                Err(error) => return Err(self.failure(&error.into())),
            }
        }
    }

    fn failure(&self, error: &ureq::Error) -> Failure {
        match self.monitor.check() {
            Err(cancelled) => Failure::last(cancelled),
            Ok(()) => classify(error),
        }
    }
}

impl Failure {
    /// Another try will not help.
    pub(super) fn last(error: Error) -> Self {
        Self { error, retry: None }
    }

    /// Another try may help.
    pub(super) fn passing(message: impl Into<String>) -> Self {
        Self {
            error: Error::new(ErrorKind::Network, message),
            retry: Some(Duration::ZERO),
        }
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn check_status(
    status: StatusCode,
    headers: &HeaderMap,
) -> Result<(), Failure> {
    let passing = matches!(status.as_u16(), 408 | 425 | 429 | 500..=599);
    if !passing {
        return Ok(());
    }
    let mut failure =
        Failure::passing(format!("the server answers {}", name(status)));
    failure.retry = match status.as_u16() {
        // Asking again changes nothing.
        501 | 505 | 511 => None,
        _ => {
            let seconds = text(headers, "retry-after")
                .and_then(|seconds| seconds.trim().parse().ok());
            Some(Duration::from_secs(seconds.unwrap_or(0)))
        }
    };
    Err(failure)
}

/// `404 Not Found`, or the bare number.
fn name(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}

/// The error for an answer that is not the file.
pub(super) fn refusal(status: u16) -> Error {
    let text =
        StatusCode::from_u16(status).map_or_else(|_| status.to_string(), name);
    let kind = match status {
        404 | 410 => ErrorKind::NotFound,
        _ => ErrorKind::Network,
    };
    Error::new(kind, format!("the server answers {text}"))
}

fn check_encoding(headers: &HeaderMap) -> Result<(), Failure> {
    match text(headers, "content-encoding").as_deref() {
        None | Some("" | "identity") => Ok(()),
        Some(encoding) => Err(Failure::last(Error::unsupported(format!(
            "the server sends it encoded as {encoding}, unasked"
        )))),
    }
}

/// Says what failed without the URL, which may hold secrets.
fn classify(error: &ureq::Error) -> Failure {
    let network = |message: String| Error::new(ErrorKind::Network, message);
    match error {
        ureq::Error::Timeout(_) => {
            Failure::passing("the server is silent for too long")
        }
        ureq::Error::HostNotFound => Failure::last(
            network("there is no host of this name".into())
                .hint("check the name, the network and the proxy settings"),
        ),
        ureq::Error::TooManyRedirects => Failure::last(network(format!(
            "more than {MAX_REDIRECTS} redirects"
        ))),
        ureq::Error::RequireHttpsOnly(_) => Failure::last(network(
            "redirected from https to http, which is refused".into(),
        )),
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
            Failure::last(network("the URL, or a redirect, is wrong".into()))
        }
        ureq::Error::Rustls(error) => Failure::last(untrusted(error)),
        ureq::Error::Tls(why) => Failure::last(network(format!("TLS: {why}"))),
        ureq::Error::Io(error) => match tls_error(error) {
            Some(error) => Failure::last(untrusted(error)),
            None if error.kind() == io::ErrorKind::ConnectionRefused => {
                Failure::last(network("the connection is refused".into()))
            }
            None => Failure::passing(format!("the connection broke: {error}")),
        },
        ureq::Error::ConnectionFailed | ureq::Error::Protocol(_) => {
            Failure::passing(error.to_string())
        }
        _ => Failure::last(network(error.to_string())),
    }
}

fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    let inner = error.get_ref()?;
    inner
        .downcast_ref()
        .or_else(|| inner.source()?.downcast_ref())
}

fn untrusted(error: &rustls::Error) -> Error {
    Error::new(ErrorKind::Network, format!("TLS: {error}")).hint(
        "install ca-certificates, or name the certificates of your \
         authorities in SSL_CERT_FILE",
    )
}

impl ContentRange {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim().strip_prefix("bytes ")?;
        let (range, total) = text.split_once('/')?;
        let first = match range {
            "*" => None,
            range => Some(range.split_once('-')?.0.parse().ok()?),
        };
        let total = match total {
            "*" => None,
            total => Some(total.parse().ok()?),
        };
        Some(Self { first, total })
    }
}

/// Shuts the connections down when the work is cancelled.
struct Watcher {
    done: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    fn start(agent: &Agent, cancel: &CancelToken) -> Result<Self> {
        let done = Arc::new(AtomicBool::new(false));
        let agent = agent.clone();
        let cancel = cancel.clone();
        let seen = Arc::clone(&done);
        let watch = move || {
            while !seen.load(Ordering::SeqCst) {
                if cancel.is_cancelled() {
                    agent.shutdown();
                    return;
                }
                thread::park_timeout(WATCH);
            }
        };
        let thread = thread::Builder::new()
            .name("imagewright-http".into())
            .spawn(watch)?;
        Ok(Self {
            done,
            thread: Some(thread),
        })
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.done.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It cannot panic; if it did, there is nothing left to do.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges() {
        let range = |first, total| Some(ContentRange { first, total });
        for (text, expected) in [
            ("bytes 5-9/10", range(Some(5), Some(10))),
            ("bytes 5-9/*", range(Some(5), None)),
            ("bytes */10", range(None, Some(10))),
            ("bytes x-9/10", None),
            ("bytes 5/10", None),
            ("lines 5-9/10", None),
            ("", None),
        ] {
            assert_eq!(ContentRange::parse(text), expected, "{text}");
        }
    }
}
