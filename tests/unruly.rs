//! A receiver that misbehaves on purpose, over a bare socket: an HTTP library cannot misbehave enough.
//!
//! It knows the truth about what it was given: every event of every request that it read to the end.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::requests::{content_length, read_head};

const ACCEPTED: &[u8] = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// What becomes of one connection.
#[derive(Clone, Debug)]
pub(crate) enum Plan {
    /// The request is stored, and answered with 202.
    Accept,
    /// The request is read and answered with this status line and these headers, each with its line end.
    Refuse(&'static str, String),
    /// Requests that hold this are refused with this status line; others are accepted.
    RefuseWhatHolds(&'static str, &'static str),
    /// The request is read, and answered with the whole answer that this makes of its body.
    Reply(fn(&str) -> String),
    /// The connection is reset before anything was read.
    ResetBeforeReading,
    /// The request is stored, and the connection reset instead of an answer.
    StoreThenReset,
    /// The request is stored, and the connection closed instead of an answer.
    StoreThenClose,
    /// The request is stored, and never answered.
    StoreThenSilence,
    /// The request is stored, and answered with a 202 that comes byte by byte, at this pace.
    Drip(Duration),
    /// Nothing is read and nothing is answered.
    Silence,
    /// Provisional answers without end.
    Interim,
    /// What comes back is not HTTP.
    Garbage,
    /// The request is stored, and answered with 202 in HTTP/1.0.
    Http10,
    /// The answer promises more than there is.
    CloseMidResponse(&'static str),
    /// Header fields without end.
    EndlessHead,
    /// This status line, and a body without end.
    EndlessBody(&'static str),
    /// The request is stored, and answered with 202 and a body without end.
    StoreThenEndlessBody,
}

/// What has just happened on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// It was opened.
    Connected,
    /// A request was read to the end and stored, unless it is going to be refused.
    Requested,
    /// A 202 was written in full.
    Accepted,
}

/// An event that was in a request that was read to the end and not refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) distinct_id: String,
    pub(crate) insert_id: String,
    pub(crate) properties: String,
}

#[derive(Default)]
struct Truth {
    stored: Mutex<Vec<Stored>>,
    bodies: Mutex<Vec<String>>,
    targets: Mutex<Vec<String>>,
    watchers: Mutex<Vec<Sender<Moment>>>,
    connections: AtomicUsize,
    unanswered: AtomicUsize,
    most_unanswered: AtomicUsize,
    stopped: AtomicBool,
}

/// The receiver. It stops when it is dropped.
pub(crate) struct Unruly {
    address: SocketAddr,
    truth: Arc<Truth>,
}

impl Unruly {
    /// A receiver that does the same to every connection.
    pub(crate) fn always(plan: Plan) -> Self {
        Self::start(move |_| plan.clone())
    }

    /// A receiver that asks what to do with each connection, counted from 0.
    pub(crate) fn start(mut plan: impl FnMut(usize) -> Plan + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let truth = Arc::new(Truth::default());
        let shared = Arc::clone(&truth);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.stopped.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(stream) = stream else { continue };
                let plan = plan(shared.connections.fetch_add(1, Ordering::SeqCst));
                let truth = Arc::clone(&shared);
                // What goes wrong on a connection is what it is for.
                thread::spawn(move || Connection { stream, truth }.follow(&plan).ok());
            }
        });
        Self { address, truth }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The events that were stored, in order, as often as they came.
    pub(crate) fn stored(&self) -> Vec<Stored> {
        self.truth.stored.lock().unwrap().clone()
    }

    /// The events that were stored by their ids. What came twice must be the same both times.
    pub(crate) fn events(&self) -> BTreeMap<String, Stored> {
        let mut events = BTreeMap::new();
        for event in self.stored() {
            let again = events.insert(event.insert_id.clone(), event.clone());
            assert!(again.is_none_or(|again| again == event), "{event:?}");
        }
        events
    }

    /// What the requests that were read were for, method and path.
    pub(crate) fn targets(&self) -> Vec<String> {
        self.truth.targets.lock().unwrap().clone()
    }

    /// The bodies of the requests that got a [`Plan::Reply`], in order.
    pub(crate) fn bodies(&self) -> Vec<String> {
        self.truth.bodies.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.truth.connections.load(Ordering::SeqCst)
    }

    /// How many connections of [`Plan::Accept`] were at most open and unanswered at once.
    pub(crate) fn most_unanswered(&self) -> usize {
        self.truth.most_unanswered.load(Ordering::SeqCst)
    }

    /// Tells what happens from here on.
    pub(crate) fn watch(&self) -> Receiver<Moment> {
        let (watcher, moments) = mpsc::channel();
        self.truth.watchers.lock().unwrap().push(watcher);
        moments
    }
}

impl Drop for Unruly {
    fn drop(&mut self) {
        self.truth.stopped.store(true, Ordering::SeqCst);
        // The listener is asleep until somebody comes.
        TcpStream::connect(self.address).ok();
    }
}

struct Connection {
    stream: TcpStream,
    truth: Arc<Truth>,
}

impl Connection {
    fn follow(&mut self, plan: &Plan) -> io::Result<()> {
        self.tell(Moment::Connected);
        match plan {
            Plan::Accept => {
                let now = self.truth.unanswered.fetch_add(1, Ordering::SeqCst) + 1;
                self.truth.most_unanswered.fetch_max(now, Ordering::SeqCst);
                let stored = self.store();
                // Before the answer: who has it may be gone, and another here, at once.
                self.truth.unanswered.fetch_sub(1, Ordering::SeqCst);
                stored?;
                self.accept(ACCEPTED)
            }
            Plan::Refuse(status, headers) => {
                self.request(false)?;
                self.refuse(status, headers)
            }
            Plan::RefuseWhatHolds(part, status) => {
                let request = self.request(false)?;
                if String::from_utf8_lossy(&request).contains(part) {
                    return self.refuse(status, "");
                }
                self.keep(&request);
                self.accept(ACCEPTED)
            }
            Plan::Reply(reply) => {
                let request = self.request(false)?;
                let request = String::from_utf8_lossy(&request);
                let answer = reply(&request);
                self.truth.bodies.lock().unwrap().push(request.into());
                self.answer(answer.as_bytes())
            }
            Plan::ResetBeforeReading => {
                // A socket that is closed with something unread in it is reset.
                self.stream.peek(&mut [0]).map(drop)
            }
            Plan::StoreThenReset => {
                let request = self.request(true)?;
                self.keep(&request);
                Ok(())
            }
            Plan::StoreThenClose => self.store(),
            Plan::StoreThenSilence => {
                self.store()?;
                self.idle();
                Ok(())
            }
            Plan::Drip(pace) => {
                self.store()?;
                for byte in ACCEPTED {
                    self.stream.write_all(&[*byte])?;
                    // The pace is what is tested.
                    thread::sleep(*pace);
                }
                self.accept(b"")
            }
            Plan::Silence => {
                self.idle();
                Ok(())
            }
            Plan::Interim => {
                self.request(false)?;
                self.flood(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n")
            }
            Plan::Garbage => {
                self.request(false)?;
                self.answer(b"\x16\x03\x01\x00\x05SSH-2.0-nonsense\r\n\0\xff\r\n\r\n")
            }
            Plan::Http10 => {
                self.store()?;
                self.accept(b"HTTP/1.0 202 Accepted\r\n\r\n")
            }
            Plan::CloseMidResponse(part) => {
                self.request(false)?;
                self.answer(part.as_bytes())
            }
            Plan::EndlessHead => {
                self.request(false)?;
                self.stream.write_all(b"HTTP/1.1 202 Accepted\r\n")?;
                self.flood(b"x-more: and more\r\n")
            }
            Plan::EndlessBody(status) => {
                self.request(false)?;
                self.endless_body(status)
            }
            Plan::StoreThenEndlessBody => {
                self.store()?;
                self.endless_body("202 Accepted")
            }
        }
    }

    fn tell(&self, moment: Moment) {
        let mut watchers = self.truth.watchers.lock().unwrap();
        watchers.retain(|watcher| watcher.send(moment).is_ok());
    }

    fn store(&mut self) -> io::Result<()> {
        let request = self.request(false)?;
        self.keep(&request);
        Ok(())
    }

    fn keep(&self, request: &[u8]) {
        self.truth.stored.lock().unwrap().extend(events(request));
        self.tell(Moment::Requested);
    }

    fn accept(&mut self, answer: &[u8]) -> io::Result<()> {
        self.stream.write_all(answer)?;
        self.tell(Moment::Accepted);
        self.close()
    }

    fn refuse(&mut self, status: &str, headers: &str) -> io::Result<()> {
        let answer = format!(
            "HTTP/1.1 {status}\r\n{headers}content-length: 6\r\nconnection: close\r\n\r\nsorry\n"
        );
        self.answer(answer.as_bytes())
    }

    fn answer(&mut self, answer: &[u8]) -> io::Result<()> {
        self.stream.write_all(answer)?;
        self.close()
    }

    fn close(&mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    fn endless_body(&mut self, status: &str) -> io::Result<()> {
        let head = format!("HTTP/1.1 {status}\r\ncontent-type: text/plain\r\n\r\n");
        self.stream.write_all(head.as_bytes())?;
        self.flood(&[b'x'; 16 * 1024])
    }

    fn flood(&mut self, piece: &[u8]) -> io::Result<()> {
        while !self.truth.stopped.load(Ordering::SeqCst) {
            self.stream.write_all(piece)?;
        }
        Ok(())
    }

    /// Waits until the other side has gone, without a word.
    fn idle(&mut self) {
        let poll = Some(Duration::from_millis(50));
        self.stream.set_read_timeout(poll).unwrap();
        while !self.truth.stopped.load(Ordering::SeqCst) {
            match self.stream.read(&mut [0; 1024]) {
                Ok(0) => return,
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return,
                _ => {}
            }
        }
    }

    /// The request, once all of it has come. With `leave_last` its last byte stays unread, so that closing the
    /// socket resets the connection.
    fn request(&mut self, leave_last: bool) -> io::Result<Vec<u8>> {
        let head = read_head(&mut self.stream)?.to_lowercase();
        let body = match content_length(&head) {
            Some(length) => self.sized_body(length, leave_last)?,
            None => self.chunked_body(leave_last)?,
        };
        let target = head.lines().next().unwrap_or_default();
        let target = target.trim_end_matches(" http/1.1").to_owned();
        self.truth.targets.lock().unwrap().push(target);
        Ok(body)
    }

    fn sized_body(&mut self, length: usize, leave_last: bool) -> io::Result<Vec<u8>> {
        let mut body = vec![0; length];
        let (last, rest) = body.split_last_mut().unwrap();
        self.stream.read_exact(rest)?;
        let last = std::slice::from_mut(last);
        if leave_last {
            self.stream.peek(last)?;
        } else {
            self.stream.read_exact(last)?;
        }
        Ok(body)
    }

    fn chunked_body(&mut self, leave_last: bool) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let mut size = Vec::new();
            while !size.ends_with(b"\r\n") {
                let mut byte = [0];
                self.stream.read_exact(&mut byte)?;
                size.push(byte[0]);
            }
            let size = String::from_utf8_lossy(&size);
            let size = usize::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
            let is_last = size == 0;
            let mut chunk = self.sized_body(size + 2, leave_last && is_last)?;
            chunk.truncate(size);
            body.extend(chunk);
            if is_last {
                return Ok(body);
            }
        }
    }
}

fn events(body: &[u8]) -> Vec<Stored> {
    #[derive(Deserialize)]
    struct Batch<'a> {
        #[serde(borrow)]
        events: Vec<Event<'a>>,
    }
    #[derive(Deserialize)]
    struct Event<'a> {
        #[serde(rename = "event")]
        name: &'a str,
        distinct_id: &'a str,
        insert_id: &'a str,
        #[serde(borrow)]
        properties: &'a RawValue,
    }
    let events = match serde_json::from_slice::<Batch<'_>>(body) {
        Ok(batch) => batch.events,
        Err(_) => vec![serde_json::from_slice(body).unwrap()],
    };
    let store = |event: &Event<'_>| {
        assert_eq!(event.name, "cli_invocation");
        Stored {
            distinct_id: event.distinct_id.to_owned(),
            insert_id: event.insert_id.to_owned(),
            properties: event.properties.get().to_owned(),
        }
    };
    events.iter().map(store).collect()
}
