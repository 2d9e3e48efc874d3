//! The ways in which the fake State Manager goes wrong.

use std::io::Write as _;
use std::thread;
use std::time::Duration;

use flate2::write::GzEncoder;
use flate2::{Compress, Compression, FlushCompress};
use serde_json::Value;

use super::fake_smd::Endpoint;
use super::http::{Answer, Reply};
use super::inventory;

/// What an endpoint does instead of answering well.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Closes the connection without an answer.
    Down,
    /// Says nothing and keeps the connection.
    Stall,
    /// Sends the head and half of the body, says nothing more and keeps the connection.
    StallInBody,
    /// Sends the usual body byte by byte with this pause, and then blanks for ever.
    Drip(Duration),
    /// Sends a header line byte by byte with this pause, for ever.
    DripHead(Duration),
    /// The usual answer, this much later.
    Slow(Duration),
    /// A status with a body, and a Retry-After header if one is given.
    Status(u16, String, Option<String>),
    /// A status for the next so many requests of the endpoint, and the usual answer afterwards.
    FailTimes(usize, u16),
    /// Promises the whole body, sends half of it and closes the connection.
    Truncated,
    /// Half of the body as if it were the whole: HTTP is content, JSON is not.
    TruncatedJson,
    /// A web page with status 200.
    Garbage,
    /// Other JSON than expected, with status 200.
    WrongShape(Value),
    /// An answer of the usual shape without any element.
    EmptyArray,
    /// Status 200 without a body.
    EmptyBody,
    /// Status 302 to another place.
    Redirect(String),
    /// An answer whose first element holds a text that does not end.
    HugeString,
    /// An answer with ever more elements, each of them valid.
    HugeArray,
    /// An answer that opens more and more brackets.
    DeepNesting,
    /// As `HugeString`, compressed about a thousandfold, whether or not the client asked for gzip.
    GzipBomb,
    /// Claims to be compressed and is not.
    BrokenGzip,
}

impl Fault {
    /// The reply of an endpoint that has the fault and would otherwise give the usual answer.
    pub(super) fn reply(self, endpoint: Endpoint, usual: Answer) -> Reply {
        let half = usual.body.len() / 2;
        let at_once = Duration::ZERO;
        let start = Answer { body: Vec::new(), ..usual.clone() };
        Reply::Answer(match self {
            Self::Down => return Reply::Close,
            Self::Stall => return Reply::Stall,
            Self::StallInBody => return Reply::StallAfter(usual, half),
            Self::Truncated => return Reply::Cut(usual, half),
            Self::Drip(pause) => return drip(usual, pause),
            Self::DripHead(pause) => return Reply::EndlessHead(pause),
            Self::HugeString => {
                let start = Answer { body: open_text(endpoint).into(), ..start };
                return Reply::Endless(start, at_once, Box::new(|| vec![b'a'; 1 << 16]));
            }
            Self::DeepNesting => return Reply::Endless(start, at_once, Box::new(|| vec![b'['; 1 << 16])),
            Self::HugeArray => {
                let start = Answer { body: open_array(endpoint).into(), ..start };
                return Reply::Endless(start, at_once, elements(endpoint));
            }
            Self::GzipBomb => {
                let (first, piece) = bomb(endpoint);
                let start = Answer { body: first, ..start }.with("Content-Encoding", "gzip");
                return Reply::Endless(start, at_once, Box::new(move || piece.clone()));
            }
            Self::Slow(pause) => {
                thread::sleep(pause);
                usual
            }
            Self::Status(status, body, retry_after) => {
                let answer = Answer::text(status, &body);
                retry_after.map_or(answer.clone(), |value| answer.with("Retry-After", &value))
            }
            // The count is kept by whoever asked for the reply.
            Self::FailTimes(0, _) => usual,
            Self::FailTimes(_, status) => Answer::problem(status, "not now"),
            Self::TruncatedJson => Answer { body: usual.body[..half].to_vec(), ..usual },
            Self::Garbage => Answer::new(200, "text/html", "<!doctype html><title>Sign in</title><p>Who are you?"),
            Self::WrongShape(value) => Answer::json(200, &value),
            Self::EmptyArray => Answer::json(200, &endpoint.wrap(Vec::new())),
            Self::EmptyBody => Answer::new(200, "application/json", ""),
            Self::Redirect(location) => Answer::text(302, "").with("Location", &location),
            Self::BrokenGzip => usual.with("Content-Encoding", "gzip"),
        })
    }
}

fn drip(usual: Answer, pause: Duration) -> Reply {
    let mut bytes = usual.body.into_iter();
    let start = Answer { status: usual.status, headers: usual.headers, body: Vec::new() };
    Reply::Endless(start, pause, Box::new(move || vec![bytes.next().unwrap_or(b' ')]))
}

/// The beginning of an answer up to its first element.
fn open_array(endpoint: Endpoint) -> &'static str {
    if endpoint == Endpoint::Components { "{\"Components\":[" } else { "[" }
}

/// The beginning of an answer up to a text in its first element.
fn open_text(endpoint: Endpoint) -> String {
    let name = if endpoint == Endpoint::Memberships { "id" } else { "ID" };
    format!("{}{{\"{name}\":\"", open_array(endpoint))
}

/// Elements without an end, some hundred at a time.
fn elements(endpoint: Endpoint) -> Box<dyn FnMut() -> Vec<u8> + Send> {
    let mut index: u32 = 0;
    Box::new(move || {
        let mut text = String::new();
        for _ in 0..256 {
            let id = format!("x{}c{}s{}b0n0", index / 64, index / 8 % 8, index % 8);
            let [_, a, b, c] = index.to_be_bytes();
            let mac = format!("b4:2e:98:{a:02x}:{b:02x}:{c:02x}");
            let element = match endpoint {
                Endpoint::Components => inventory::component(&id, index, "Compute"),
                Endpoint::Interfaces => inventory::interface(&id, "Node", "", &mac, &[]),
                Endpoint::Memberships => serde_json::json!({"id": id, "groupLabels": ["all"], "partitionName": ""}),
            };
            text.push_str(if index == 0 { "" } else { "," });
            text.push_str(&element.to_string());
            index = index.wrapping_add(1);
        }
        text.into_bytes()
    })
}

/// The beginning of a gzip stream, and a piece that can follow any number of times: a megabyte of one letter. The
/// compressor forgets at the end of each, so that every piece stands for itself.
fn bomb(endpoint: Endpoint) -> (Vec<u8>, Vec<u8>) {
    let mut compressor = Compress::new(Compression::best(), false);
    let mut piece = |content: &[u8]| {
        let mut bytes = Vec::with_capacity(1 << 16);
        compressor.compress_vec(content, &mut bytes, FlushCompress::Full).unwrap();
        bytes
    };
    let header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    let first = [header.as_slice(), &piece(open_text(endpoint).as_bytes())].concat();
    (first, piece(&vec![b'a'; 1 << 20]))
}

/// The answer compressed.
pub(super) fn compressed(answer: Answer) -> Answer {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&answer.body).unwrap();
    let body = encoder.finish().unwrap();
    Answer { body, ..answer }.with("Content-Encoding", "gzip")
}
