//! A model hub of one repository on the loopback: listing, metadata, redirects to a store under another host name, ranges.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::bench::sha256;

pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// One request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) range: Option<String>,
    pub(crate) token: Option<String>,
}

/// How the store misbehaves at its next answer.
#[derive(Debug, Clone)]
pub(crate) enum Mood {
    /// Announces the whole, sends that many bytes of it, and hangs up.
    CutAfter(usize),
    /// Sends the whole file, whatever range was asked for.
    IgnoreRange,
    /// Sends other bytes than the hub announced.
    Instead(Vec<u8>),
    /// Answers with that status.
    Status(u16),
}

/// What the hub has and how it behaves.
#[derive(Debug, Clone, Default)]
pub(crate) struct Script {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// Refusal of every request: status and `x-error-code`.
    pub(crate) refuses: Option<(u16, &'static str)>,
    /// The moods of the store, one for each answer, then none.
    pub(crate) moods: VecDeque<Mood>,
    /// The etag of every file, instead of its hash.
    pub(crate) etag: Option<&'static str>,
    /// The repository answers under this id and redirects from `org/name`.
    pub(crate) renamed: Option<&'static str>,
}

impl Script {
    pub(crate) fn of<const N: usize>(files: [(&str, &[u8]); N]) -> Self {
        let files = files.into_iter().map(|(name, bytes)| (name.to_owned(), bytes.to_vec())).collect();
        Self { files, ..Self::default() }
    }
}

pub(crate) struct FakeHub {
    pub(crate) endpoint: String,
    log: Arc<Mutex<Vec<Asked>>>,
}

impl FakeHub {
    pub(crate) fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let log: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (script, shared_log) = (Arc::new(Mutex::new(script)), Arc::clone(&log));
        // The thread ends with the test process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, log) = (Arc::clone(&script), Arc::clone(&shared_log));
                thread::spawn(move || serve(stream, port, &script, &log));
            }
        });
        Self { endpoint: format!("http://127.0.0.1:{port}"), log }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.log.lock().unwrap().clone()
    }

    /// The requests to the store of large files.
    pub(crate) fn asked_of_store(&self) -> Vec<Asked> {
        self.asked().into_iter().filter(|asked| asked.path.starts_with("/store/")).collect()
    }
}

fn serve(mut stream: TcpStream, port: u16, script: &Mutex<Script>, log: &Mutex<Vec<Asked>>) {
    let Some(asked) = read_request(&stream) else {
        return;
    };
    log.lock().unwrap().push(asked.clone());
    let (mut taken, mood) = {
        let mut script = script.lock().unwrap();
        let mood = if asked.path.starts_with("/store/") { script.moods.pop_front() } else { None };
        (script.clone(), mood)
    };
    let id = taken.renamed.take().unwrap_or("org/name");
    let reply = match taken.refuses {
        Some((status, code)) => Reply::status(status).header("x-error-code", code),
        None => answer(&asked, port, id, &taken, mood.as_ref()),
    };
    // The client may hang up at any time.
    let _ = reply.send(&mut stream, asked.method == "HEAD");
}

fn read_request(stream: &TcpStream) -> Option<Asked> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next()?;
    let mut words = first.split(' ').map(ToOwned::to_owned);
    let mut asked = Asked { method: words.next()?, path: words.next()?, range: None, token: None };
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':')?;
        match name.to_ascii_lowercase().as_str() {
            "range" => asked.range = Some(value.trim().to_owned()),
            "authorization" => asked.token = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    Some(asked)
}

fn answer(asked: &Asked, port: u16, id: &str, script: &Script, mood: Option<&Mood>) -> Reply {
    if asked.path.starts_with("/api/models/") {
        let siblings: Vec<_> = script.files.keys().map(|name| serde_json::json!({ "rfilename": name })).collect();
        let listing = serde_json::json!({ "sha": COMMIT, "siblings": siblings, "private": false });
        return Reply::whole(listing.to_string().into_bytes());
    }
    if let Some(name) = asked.path.strip_prefix("/store/") {
        return script.files.get(name).map_or_else(|| Reply::status(404), |bytes| stored(asked, bytes, mood));
    }
    if let Some(rest) = asked.path.strip_prefix("/org/name/").filter(|_| id != "org/name") {
        return Reply::status(307).header("location", &format!("/{id}/{rest}"));
    }
    let prefix = format!("/{id}/resolve/{COMMIT}/");
    let Some((name, bytes)) = asked.path.strip_prefix(&prefix).and_then(|name| Some((name, script.files.get(name)?)))
    else {
        return Reply::status(404).header("x-error-code", "EntryNotFound");
    };
    let hash = sha256(bytes);
    let is_small = name.contains(".json");
    // Small files are called by a git hash, of 40 digits.
    let etag = script.etag.unwrap_or(if is_small { &hash[..40] } else { &hash });
    if is_small {
        return Reply::whole(bytes.clone()).header("etag", &format!("\"{etag}\"")).header("x-repo-commit", COMMIT);
    }
    Reply::status(302)
        .header("location", &format!("http://localhost:{port}/store/{name}"))
        .header("x-linked-etag", &format!("\"{etag}\""))
        .header("x-linked-size", &bytes.len().to_string())
        .header("x-repo-commit", COMMIT)
}

fn stored(asked: &Asked, bytes: &[u8], mood: Option<&Mood>) -> Reply {
    let bytes = match mood {
        Some(Mood::Status(status)) => return Reply::status(*status),
        Some(Mood::IgnoreRange) => return Reply::whole(bytes.to_vec()),
        Some(Mood::Instead(other)) => other,
        _ => bytes,
    };
    let from =
        asked.range.as_ref().and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    let mut reply = match from {
        Some(from) if from >= bytes.len() => return Reply::status(416),
        Some(from) => {
            let range = format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len());
            let part = Reply::whole(bytes[from..].to_vec()).header("content-range", &range);
            Reply { status: 206, ..part }
        }
        None => Reply::whole(bytes.to_vec()),
    };
    if let Some(Mood::CutAfter(count)) = mood {
        reply.body.truncate(*count);
    }
    reply
}

struct Reply {
    status: u16,
    headers: String,
    /// The announced length.
    length: usize,
    body: Vec<u8>,
}

impl Reply {
    fn status(status: u16) -> Self {
        Self { status, headers: String::new(), length: 0, body: Vec::new() }
    }

    fn whole(body: Vec<u8>) -> Self {
        Self { length: body.len(), body, ..Self::status(200) }
    }

    fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.extend([name, ": ", value, "\r\n"]);
        self
    }

    fn send(&self, stream: &mut TcpStream, head_only: bool) -> std::io::Result<()> {
        let Self { status, headers, length, .. } = self;
        write!(stream, "HTTP/1.1 {status} x\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n")?;
        if head_only { Ok(()) } else { stream.write_all(&self.body) }
    }
}
