// SPDX-License-Identifier: Apache-2.0
//! An HTTP server that misbehaves on request.

use std::collections::{HashMap, VecDeque};
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A request, as far as the tests look at it.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) target: String,
    /// By lower-case name.
    pub(super) headers: HashMap<String, String>,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    fn read(reader: &mut impl BufRead) -> Option<Self> {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let mut words = line.split_whitespace();
        let method = words.next()?.to_owned();
        let target = words.next()?.to_owned();
        let mut headers = HashMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                break;
            };
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        Some(Self {
            method,
            target,
            headers,
        })
    }
}

/// An answer, and how to spoil it.
#[derive(Debug, Clone, Default)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// Closes the connection after this many bytes of the body.
    pub(super) cut: Option<usize>,
    /// Says this instead of the true length; `Some(None)` says nothing.
    pub(super) length: Option<Option<usize>>,
    /// Sends nothing for so long before the body.
    pub(super) stall: Duration,
}

impl Reply {
    pub(super) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            body: body.into(),
            ..Self::default()
        }
    }

    pub(super) fn header(
        mut self,
        name: &str,
        value: impl Into<String>,
    ) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    fn write(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        let mut head = format!("HTTP/1.1 {} X\r\n", self.status);
        let length = self.length.unwrap_or(Some(self.body.len()));
        if let Some(length) = length {
            head.push_str(&format!("Content-Length: {length}\r\n"));
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("Connection: close\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        thread::sleep(self.stall);
        let end = self.cut.unwrap_or(self.body.len()).min(self.body.len());
        stream.write_all(&self.body[..end])
    }
}

type Handler = dyn Fn(&Request) -> Reply + Send + Sync;

/// Serves on a port of the loopback until dropped.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(super) fn start(
        handler: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let handler: Arc<Handler> = Arc::new(handler);
        let seen = Arc::clone(&requests);
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut connections = Vec::new();
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                let stream = stream.unwrap();
                let seen = Arc::clone(&seen);
                let handler = Arc::clone(&handler);
                connections.push(thread::spawn(move || {
                    serve(stream, &seen, &*handler);
                }));
            }
            for connection in connections {
                connection.join().unwrap();
            }
        });
        Self {
            address,
            requests,
            stop,
            thread: Some(thread),
        }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Every request so far.
    pub(super) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The requests for one target.
    pub(super) fn requests_for(&self, target: &str) -> Vec<Request> {
        let mut requests = self.requests();
        requests.retain(|request| request.target == target);
        requests
    }

    pub(super) fn forget(&self) {
        self.requests.lock().unwrap().clear();
    }
}

fn serve(mut stream: TcpStream, seen: &Mutex<Vec<Request>>, handler: &Handler) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some(request) = Request::read(&mut reader) {
        seen.lock().unwrap().push(request.clone());
        if request.method == "CONNECT" {
            // As a proxy: what follows is for the server behind, us.
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            continue;
        }
        // The client may hang up whenever it likes.
        let _ = handler(&request).write(&mut stream);
        let _ = stream.shutdown(Shutdown::Both);
        break;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Files as a mirror serves them.
#[derive(Default)]
pub(super) struct Site {
    pub(super) files: Mutex<HashMap<String, Vec<u8>>>,
    /// Entity tags are made of this; changing it changes them.
    pub(super) version: Mutex<String>,
    /// Whether ranges are understood.
    pub(super) ranges: bool,
    /// Whether there are entity tags and dates.
    pub(super) validators: bool,
    /// Where to cut the answers to come, for files beyond 1 KiB.
    pub(super) cuts: Mutex<VecDeque<usize>>,
}

impl Site {
    pub(super) fn new(files: &[(&str, &[u8])]) -> Self {
        let site = Self {
            version: Mutex::new("1".into()),
            ranges: true,
            validators: true,
            ..Self::default()
        };
        for (path, content) in files {
            site.put(path, content);
        }
        site
    }

    pub(super) fn put(&self, path: &str, content: &[u8]) {
        let mut files = self.files.lock().unwrap();
        files.insert(path.to_owned(), content.to_owned());
    }

    pub(super) fn cut(&self, cuts: &[usize]) {
        self.cuts.lock().unwrap().extend(cuts);
    }

    pub(super) fn reply(&self, request: &Request) -> Reply {
        let files = self.files.lock().unwrap();
        let path = request.target.split('?').next().unwrap();
        let Some(content) = files.get(path) else {
            return Reply::new(404, "not here");
        };
        let tag = format!("\"{}\"", self.version.lock().unwrap());
        if self.validators && request.header("if-none-match") == Some(&tag) {
            return Reply::new(304, "");
        }
        let mut reply = self.ranged(request, content, &tag);
        if self.validators {
            reply = reply.header("ETag", tag);
        }
        if content.len() > 1024 {
            reply.cut = self.cuts.lock().unwrap().pop_front();
        }
        reply
    }

    fn ranged(&self, request: &Request, content: &[u8], tag: &str) -> Reply {
        let first = request
            .header("range")
            .and_then(|range| range.strip_prefix("bytes="))
            .and_then(|range| range.strip_suffix('-'))
            .and_then(|first| first.parse::<usize>().ok());
        let total = content.len();
        match first {
            Some(first)
                if self.ranges && request.header("if-range") == Some(tag) =>
            {
                if first >= total {
                    return Reply::new(416, "")
                        .header("Content-Range", format!("bytes */{total}"));
                }
                let last = total - 1;
                let range = format!("bytes {first}-{last}/{total}");
                Reply::new(206, &content[first..])
                    .header("Content-Range", range)
            }
            _ => Reply::new(200, content),
        }
    }
}

/// A server of a site.
pub(super) fn serve_site(site: Site) -> (Server, Arc<Site>) {
    let site = Arc::new(site);
    let served = Arc::clone(&site);
    (Server::start(move |request| served.reply(request)), site)
}
