//! The endpoint of one scenario.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use tokio::net::TcpSocket;

use super::faulty::{Fault, Faulty};
use super::request::SeenRequest;
use super::scenario::{Conduct, Place};
use crate::receiver::{Receiver, ReceiverOptions};

/// What listens.
#[derive(Debug)]
pub(super) struct Server {
    kind: Kind,
    host: String,
}

#[derive(Debug)]
enum Kind {
    Receiver(Receiver),
    Faulty(Faulty),
    /// A port that is taken and refuses connections: nobody listens.
    Nobody {
        _taken: TcpSocket,
    },
}

impl Server {
    /// Starts it, or says in one sentence why that cannot be.
    pub(super) fn start(conduct: &Conduct, place: Place) -> Result<Self, String> {
        let (kind, addr) = match conduct {
            Conduct::Status(status, retry_after) => receiver(ReceiverOptions {
                respond: Some(*status),
                retry_after: retry_after.map(Duration::from_secs),
                ..lenient(place)
            })?,
            Conduct::EverySecondFails(status) => receiver(ReceiverOptions {
                respond: Some(*status),
                fail_every: NonZeroU32::new(2),
                ..lenient(place)
            })?,
            Conduct::InTurn(statuses) => faulty(Fault::InTurn(statuses.map(answer)))?,
            Conduct::Fault(fault) => faulty(fault.clone())?,
            Conduct::Refused => {
                let (taken, addr) =
                    taken().map_err(|error| format!("could not take a port: {error}"))?;
                (Kind::Nobody { _taken: taken }, addr)
            }
        };
        let host = match place {
            Place::Name => format!("localhost:{}", addr.port()),
            _ => addr.to_string(),
        };
        Ok(Self { kind, host })
    }

    /// Scheme, host and port.
    pub(super) fn origin(&self) -> String {
        format!("http://{}", self.host)
    }

    /// What has arrived so far.
    pub(super) fn requests(&self) -> Vec<SeenRequest> {
        match &self.kind {
            Kind::Receiver(receiver) => {
                let arrivals = receiver.requests();
                arrivals.iter().map(|arrival| (&**arrival).into()).collect()
            }
            Kind::Faulty(faulty) => faulty.requests(),
            Kind::Nobody { .. } => Vec::new(),
        }
    }
}

/// A receiver that takes any path and any format.
fn lenient(place: Place) -> ReceiverOptions {
    let listen = match place {
        Place::Ipv6 => SocketAddr::from((Ipv6Addr::LOCALHOST, 0)),
        _ => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
    };
    ReceiverOptions {
        listen,
        path: String::new(),
        validate: false,
        ..ReceiverOptions::default()
    }
}

fn receiver(options: ReceiverOptions) -> Result<(Kind, SocketAddr), String> {
    let receiver = Receiver::start(options).map_err(|error| error.to_string())?;
    let addr = receiver.addr();
    Ok((Kind::Receiver(receiver), addr))
}

fn faulty(fault: Fault) -> Result<(Kind, SocketAddr), String> {
    let faulty =
        Faulty::start(fault).map_err(|error| format!("could not start a receiver: {error}"))?;
    let addr = faulty.addr();
    Ok((Kind::Faulty(faulty), addr))
}

/// An answer of this status whose body says nothing of a batch.
fn answer(status: u16) -> Vec<u8> {
    let head = "content-type: application/json\r\ncontent-length: 2\r\nconnection: close";
    format!("HTTP/1.1 {status} Whatever\r\n{head}\r\n\r\n{{}}").into_bytes()
}

/// A port that no other program can get while it is held, and on which nobody listens.
fn taken() -> io::Result<(TcpSocket, SocketAddr)> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    let addr = socket.local_addr()?;
    Ok((socket, addr))
}
