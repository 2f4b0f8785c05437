//! What the sandbox asks for every request of a sender.

use std::cmp::Reverse;
use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::uri::{PathAndQuery, Scheme, Uri};
use http::{HeaderMap, HeaderValue, Method, Request, header};
use http_body::Body as _;
use tokio::task::JoinSet;
use wasmtime_wasi_http::{
    Error as Wasi, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttpHooks,
};

use crate::domain::{Deadline, Endpoint};

use super::connect::{Connector, Tasks};
use super::dry_run::{DryRunRequest, dry_run};
use super::environment::Environment;
use super::exchange::{Exchange, HookResponse};
use super::failure::{EgressFailure, Phase};
use super::header::{HostHeader, is_reserved};
use super::reach::Reach;
use super::report::{BatchLog, EgressReport, InFlight};
use super::resolve::Resolver;
use super::secrets::Secrets;
use super::target::Target;
use super::{EgressLimits, policy};

/// Bytes that a guest may write to a request's body at once, and that the host then holds for it.
const CHUNK: usize = 64 << 10;
/// Refused requests of one batch that are logged each on its own.
const LOGGED_DENIALS: u32 = 8;
/// Letters of a refused request that are shown.
const SHOWN_DENIAL: usize = 120;

/// How requests leave.
#[derive(Clone, Debug)]
pub enum Network {
    /// Over the network, as these variables say, to the addresses that the resolver finds.
    Live(Environment, Resolver),
    /// Not at all: every request is answered with 202 and an empty body, and kept.
    DryRun,
}

impl Network {
    /// Over the network, as `environment` says, by the system's resolver.
    #[must_use]
    pub fn live(environment: Environment) -> Self {
        Self::Live(environment, Resolver::system())
    }
}

/// The way out for one sender: its requests, and nobody else's.
///
/// Connections are kept from one batch to the next, and closed when this is dropped.
pub struct Egress {
    target: Target,
    limits: EgressLimits,
    /// Those with the longest paths first.
    headers: Arc<[HostHeader]>,
    secrets: Secrets,
    forbidden: ForbiddenHeaderFilter,
    batch: Arc<BatchLog>,
    transport: Transport,
}

enum Transport {
    Live {
        connector: Arc<Connector>,
        /// The only owner: dropped, every task ends.
        _tasks: Arc<Tasks>,
    },
    DryRun(Arc<Mutex<Vec<DryRunRequest>>>),
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress")
            .field("target", &self.target)
            .field("limits", &self.limits)
            .field("headers", &self.headers)
            .field("report", &self.batch.report())
            .finish_non_exhaustive()
    }
}

impl Egress {
    /// A way to the origin of `endpoint`, by `network`, as far as `reach` goes and within `limits`. Each request gets
    /// those of `headers` that it is within the scope of, of each name the one with the longest path; they replace the
    /// guest's of the same names. A name is resolved once, whatever the batches.
    ///
    /// Nothing is sent before the first [`begin_batch`](Self::begin_batch).
    #[must_use]
    pub fn new(
        endpoint: &Endpoint,
        network: Network,
        reach: Reach,
        limits: EgressLimits,
        mut headers: Vec<HostHeader>,
    ) -> Self {
        let target = Target::new(endpoint.origin());
        headers.retain(|header| *header.scope.origin() == target.origin);
        headers.sort_by_key(|header| Reverse(header.scope.path().len()));
        let secrets = Secrets::of(&headers);
        let transport = match network {
            Network::DryRun => Transport::DryRun(Arc::default()),
            Network::Live(environment, resolver) => {
                let tasks = Arc::new(Mutex::new(JoinSet::new()));
                Transport::Live {
                    connector: Arc::new(Connector::new(
                        target.clone(),
                        &environment,
                        resolver,
                        reach,
                        limits.max_head,
                        &tasks,
                    )),
                    _tasks: tasks,
                }
            }
        };
        Self {
            target,
            limits,
            headers: headers.into(),
            forbidden: Arc::new(is_reserved),
            batch: Arc::new(BatchLog::new(
                Deadline::after(Duration::ZERO),
                secrets.clone(),
            )),
            secrets,
            transport,
        }
    }

    /// Begins a batch that must end by `deadline`, with an empty report.
    ///
    /// What is left of an earlier batch keeps its own deadline, and is not reported any more.
    pub fn begin_batch(&mut self, deadline: Deadline) {
        self.batch = Arc::new(BatchLog::new(deadline, self.secrets.clone()));
    }

    /// What was seen of the batch so far. Also while requests are under way.
    #[must_use]
    pub fn report(&self) -> EgressReport {
        self.batch.report()
    }

    /// Reads what was left unread of answers, for `patience` at most, so that their connections are not reset.
    pub async fn read_out(&self, patience: Duration) {
        if let Transport::Live { connector, .. } = &self.transport {
            connector.read_out(patience).await;
        }
    }

    /// The requests of a dry run since the last call, oldest first. None on a live network.
    #[must_use]
    pub fn take_dry_run_requests(&mut self) -> Vec<DryRunRequest> {
        match &self.transport {
            Transport::Live { .. } => Vec::new(),
            Transport::DryRun(requests) => {
                mem::take(&mut *requests.lock().unwrap_or_else(PoisonError::into_inner))
            }
        }
    }

    /// Refuses a request, telling the report, and of all but the first also the log.
    fn deny(&self, method: &Method, uri: &Uri, why: &str) -> Wasi {
        let request = format!("{method} {uri}");
        let what = format!("{}{why}", shown(&self.secrets.mask(&request)));
        let denials = self.batch.deny(&what);
        // The first one is the report's, which whoever judges the batch tells.
        if (2..=LOGGED_DENIALS).contains(&denials) {
            tracing::debug!(
                "refused the sender's request {what}; it may POST and PUT to {}, {} times a batch",
                self.target.name,
                self.limits.max_requests
            );
        }
        Wasi::HttpRequestDenied
    }

    /// The request as it will leave, with its target in origin form.
    fn prepare(&self, request: Request<WasiBody>) -> Result<(Request<WasiBody>, InFlight), Wasi> {
        let (mut parts, body) = request.into_parts();
        let target = match parts.uri.path_and_query().map(PathAndQuery::as_str) {
            // One that is empty is shown as `/`, and would leave as nothing at all.
            None | Some("" | "/") => Some(PathAndQuery::from_static("/")),
            Some(target) if target.starts_with('/') => parts.uri.path_and_query().cloned(),
            Some(target) if target.starts_with('?') => {
                PathAndQuery::try_from(format!("/{target}")).ok()
            }
            Some(_) => None,
        };
        let Some(target) =
            target.filter(|_| policy::allows(&self.target, &parts.method, &parts.uri))
        else {
            return Err(self.deny(&parts.method, &parts.uri, ""));
        };
        let waiting = Phase::Waiting {
            origin: Arc::clone(&self.target.name),
        };
        let Some(open) = self.batch.admit(self.limits.max_requests, waiting) else {
            let limit = self.limits.max_requests;
            let why = format!(" (after {limit} others in the same batch)");
            return Err(self.deny(&parts.method, &parts.uri, &why));
        };
        let announced = content_length(&parts.headers).max(Some(body.size_hint().lower()));
        if announced > Some(self.limits.max_request_body) {
            return Err(open.failed(&EgressFailure::LongRequest {
                limit: self.limits.max_request_body,
            }));
        }
        parts.headers = self.fields(&parts.headers, target.as_str());
        parts.uri = target.into();
        Ok((Request::from_parts(parts, body), open))
    }

    /// The user's fields of a request to `target`.
    fn own(&self, target: &str) -> Vec<&HostHeader> {
        let mut own: Vec<&HostHeader> = Vec::new();
        for header in self
            .headers
            .iter()
            .filter(|header| header.scope.covers(target))
        {
            if !own.iter().any(|found| found.name == header.name) {
                own.push(header);
            }
        }
        own
    }

    /// The guest's fields, those it may set; the host's own before and after them.
    fn fields(&self, guest: &HeaderMap, target: &str) -> HeaderMap {
        let own = self.own(target);
        let mut fields = HeaderMap::with_capacity(guest.len() + self.headers.len() + 1);
        if let Ok(host) = HeaderValue::try_from(&*self.target.authority) {
            fields.insert(header::HOST, host);
        }
        for (name, value) in guest {
            if !is_reserved(name) && !own.iter().any(|own| own.name == name) {
                fields.append(name, value.clone());
            }
        }
        for own in own {
            fields.append(&own.name, own.value.clone());
        }
        fields
    }

    /// The fields as a dry run shows them.
    fn shown_fields(&self, request: &Request<WasiBody>) -> Vec<(String, String)> {
        let own = self.own(&request.uri().to_string());
        let guest = request
            .headers()
            .iter()
            .filter(|(name, _)| !own.iter().any(|own| own.name == *name))
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.to_string(), value)
            });
        let own = own
            .iter()
            .map(|own| (own.name.to_string(), own.display.clone()));
        let mut fields: Vec<_> = guest.chain(own).collect();
        // What hyper adds where the guest does not say how long the body is.
        if !request.headers().contains_key(header::CONTENT_LENGTH) {
            fields.push(match request.body().size_hint().exact() {
                Some(length) => ("content-length".to_owned(), length.to_string()),
                None => ("transfer-encoding".to_owned(), "chunked".to_owned()),
            });
        }
        fields
    }
}

impl WasiHttpHooks for Egress {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _failed_answer: Box<dyn Future<Output = Result<(), Wasi>> + Send>,
    ) -> Box<dyn Future<Output = HookResponse> + Send> {
        let (request, open) = match self.prepare(request) {
            Ok(prepared) => prepared,
            Err(refused) => return Box::new(async move { Err(refused) }),
        };
        match &self.transport {
            Transport::DryRun(requests) => {
                let record = DryRunRequest {
                    method: request.method().clone(),
                    url: format!(
                        "{}://{}{}",
                        self.target.origin.scheme(),
                        self.target.authority,
                        request.uri()
                    ),
                    headers: self.shown_fields(&request),
                    body: Bytes::new(),
                };
                let (body, requests) = (request.into_body(), Arc::clone(requests));
                let limit = self.limits.max_request_body;
                Box::new(dry_run(record, body, requests, limit, open))
            }
            Transport::Live { connector, .. } => {
                let exchange = Exchange {
                    connector: Arc::clone(connector),
                    origin: Arc::clone(&self.target.name),
                    limits: self.limits,
                    options: options.unwrap_or_default(),
                    open,
                };
                Box::new(exchange.run(request))
            }
        }
    }

    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        Arc::clone(&self.forbidden)
    }

    /// Every scheme comes to [`send_request`](Self::send_request), which refuses and reports.
    fn is_supported_scheme(&mut self, _scheme: &Scheme) -> bool {
        true
    }

    fn set_host_header(&mut self) -> bool {
        true
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK
    }

    fn p3_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK
    }
}

fn content_length(fields: &HeaderMap) -> Option<u64> {
    let value = fields.get(header::CONTENT_LENGTH)?;
    value.to_str().ok()?.parse().ok()
}

/// A request's method and URL, shortened, with whatever is not plain ASCII escaped.
fn shown(text: &str) -> String {
    let shown = |letter: char| match letter {
        ' '..='~' => letter.to_string(),
        other => other.escape_unicode().to_string(),
    };
    let start: String = text.chars().take(SHOWN_DENIAL).map(shown).collect();
    let rest = if text.chars().count() > SHOWN_DENIAL {
        "…"
    } else {
        ""
    };
    format!("{start}{rest}")
}
