//! A receiver over a bare socket, for the answers that no HTTP library gives: it reads a request as far as it has to,
//! and does one thing wrong.

use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::request::SeenRequest;
use crate::receiver::decoded;

/// The longest that a connection is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// The most bytes of a request that are kept.
const REQUEST_BYTES: u64 = 16 * 1024 * 1024;

/// The most bytes of a request's body after decompression.
const DECODED_BYTES: usize = 16 * 1024 * 1024;

/// What goes wrong.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// The connection is reset in the middle of the request.
    Reset,
    /// The request is read, and never answered.
    Silence,
    /// The request is read, and these bytes are all that comes back.
    Answer(Vec<u8>),
    /// Each request is read, and answered by these in turn.
    InTurn([Vec<u8>; 2]),
}

/// The receiver. It stops when it is dropped.
#[derive(Debug)]
pub(super) struct Faulty {
    addr: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    seen: Mutex<Vec<SeenRequest>>,
    stopped: AtomicBool,
}

impl Faulty {
    /// Listens on a free port of 127.0.0.1.
    pub(super) fn start(fault: Fault) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let ours = Arc::clone(&shared);
        let serve = move || {
            for stream in listener.incoming() {
                if ours.stopped.load(Ordering::SeqCst) {
                    break;
                }
                let (fault, ours) = (fault.clone(), Arc::clone(&ours));
                let follow = move || stream.and_then(|stream| follow(&fault, stream, &ours)).ok();
                // Without a thread the connection is closed, which the scenario will show.
                thread::Builder::new().spawn(follow).ok();
            }
        };
        let thread = thread::Builder::new().name("faulty".into()).spawn(serve)?;
        Ok(Self {
            addr,
            shared,
            thread: Some(thread),
        })
    }

    pub(super) const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The requests that were read to their end.
    pub(super) fn requests(&self) -> Vec<SeenRequest> {
        self.shared.seen().clone()
    }
}

impl Shared {
    fn seen(&self) -> std::sync::MutexGuard<'_, Vec<SeenRequest>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for a connection.
        if TcpStream::connect(self.addr).is_ok()
            && let Some(thread) = self.thread.take()
        {
            // It ended, even if by a panic.
            let _ = thread.join();
        }
    }
}

fn follow(fault: &Fault, mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    if matches!(fault, Fault::Reset) {
        // A connection that is closed with something unread in it is reset.
        stream.peek(&mut [0])?;
        return Ok(());
    }
    let request = read_request(&stream)?;
    let earlier = {
        let mut seen = shared.seen();
        seen.push(request);
        seen.len() - 1
    };
    match fault {
        Fault::Answer(bytes) => stream.write_all(bytes),
        Fault::InTurn(answers) => stream.write_all(&answers[earlier % answers.len()]),
        // Until the client goes away.
        Fault::Reset | Fault::Silence => stream.read(&mut [0]).map(drop),
    }
}

/// Reads one request: its head, and a body that has a length or comes in chunks.
fn read_request(stream: &TcpStream) -> io::Result<SeenRequest> {
    let mut reader = BufReader::new(stream.take(REQUEST_BYTES));
    let line = |reader: &mut BufReader<_>| {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        Ok::<_, io::Error>(line.trim_end().to_owned())
    };
    let first = line(&mut reader)?;
    let mut words = first.split(' ').map(str::to_owned);
    let mut request = SeenRequest {
        method: words.next().unwrap_or_default(),
        path: words.next().unwrap_or_default(),
        headers: Vec::new(),
        body: String::new(),
        bytes: Vec::new(),
    };
    loop {
        let field = line(&mut reader)?;
        let Some((name, value)) = field.split_once(':') else {
            break;
        };
        let field = (name.to_ascii_lowercase(), value.trim().to_owned());
        request.headers.push(field);
    }
    let mut body = Vec::new();
    if let Some(length) = request.header("content-length") {
        let length = length.parse().map_err(io::Error::other)?;
        reader.take(length).read_to_end(&mut body)?;
    } else if request.header("transfer-encoding").is_some() {
        loop {
            let size = line(&mut reader)?;
            let size = u64::from_str_radix(&size, 16).map_err(io::Error::other)?;
            reader.by_ref().take(size).read_to_end(&mut body)?;
            line(&mut reader)?;
            if size == 0 {
                break;
            }
        }
    }
    let encoding = request.header("content-encoding");
    // Whoever is asked about it says what is wrong with one that cannot be read.
    let body = decoded(encoding, body.clone().into(), DECODED_BYTES).unwrap_or(body.into());
    request.body = String::from_utf8_lossy(&body).into_owned();
    request.bytes = body.into();
    Ok(request)
}
