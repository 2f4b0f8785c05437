//! One POST over `wasi:http`. The host ends it at the batch's deadline.

@sync use wasip2::clocks::monotonic_clock;
@sync use wasip2::http::outgoing_handler;
@sync use wasip2::http::types::{
@sync     ErrorCode, Fields, FutureIncomingResponse, IncomingResponse, Method, OutgoingBody,
@sync     OutgoingRequest, Scheme,
@sync };
@sync use wasip2::io::poll::poll;
@sync use wasip2::io::streams::{OutputStream, StreamError};
@0.3 use wasip3::clocks::monotonic_clock;
@0.3 use wasip3::http::client;
@0.3 use wasip3::http::types::{
@0.3     ErrorCode, Fields, Headers, Method, Request, RequestOptions, Response, Scheme,
@0.3 };
@0.3 use wasip3::wit_bindgen::{StreamReader, StreamResult};
@0.3 use wasip3::{spawn_local, wit_future, wit_stream};

@0.1 use crate::bindings::exports::swamp::telemetry::sender::{Rejection, SendError};
@0.2 use crate::bindings::swamp::telemetry::types::{Failure, Rejection};

/// How much the host sends, in bytes.
const REQUEST_BYTES: usize = 8 * 1024 * 1024;

/// How much of an answer's body is read, in bytes.
const BODY_BYTES: usize = 64 * 1024;

/// How long an answer's body is waited for, in nanoseconds: less than the batch has, so that the status is told.
const BODY_WAIT: u64 = 2_000_000_000;

pub struct Answer {
    pub status: u16,
@sync     response: IncomingResponse,
@0.3     headers: Headers,
@0.3     text: Option<String>,
}

@sync pub fn post_json(url: &str, user_agent: &str, body: &str) -> Result<Answer, {{Failure}}> {
@0.3 pub async fn post_json(url: &str, user_agent: &str, body: String) -> Result<Answer, Failure> {
    if body.len() > REQUEST_BYTES {
        // The host sends smaller batches then.
        return Err({{Failure}}::Rejected(Rejection {
            status: 413,
            body: "the batch is larger than 8 MiB".to_owned(),
        }));
    }
@sync     let request = new_request(url, user_agent, body.len())?;
@sync     let outgoing = request.body().map_err(|()| no_body())?;
@sync     let pending = outgoing_handler::handle(request, None).map_err(failure)?;
@sync     let stream = outgoing.write().map_err(|()| no_body())?;
@sync     let complete = write(&stream, body.as_bytes(), &pending);
@sync     drop(stream);
@sync     // A body that was cut short is kept open until the answer is there: dropping it would end the request.
@sync     let _cut_short = if complete {
@sync         OutgoingBody::finish(outgoing, None).map_err(failure)?;
@sync         None
@sync     } else {
@sync         Some(outgoing)
@sync     };
@sync     pending.subscribe().block();
@sync     match pending.get() {
@sync         Some(Ok(Ok(response))) => Ok(Answer {
@sync             status: response.status(),
@sync             response,
@sync         }),
@sync         Some(Ok(Err(code))) => Err(failure(code)),
@sync         _ => Err({{Failure}}::Other("the host gave no answer".to_owned())),
@sync     }
@0.3     let (mut writer, contents) = wit_stream::new();
@0.3     let request = new_request(url, user_agent, body.len(), contents)?;
@0.3     spawn_local(async move {
@0.3         // What the host does not read was not wanted: the answer says why.
@0.3         drop(writer.write_all(body.into_bytes()).await);
@0.3     });
@0.3     let response = client::send(request).await.map_err(failure)?;
@0.3     Ok(Answer {
@0.3         status: response.get_status_code(),
@0.3         headers: response.get_headers(),
@0.3         text: first_bytes(response).await,
@0.3     })
}

impl Answer {
    /// The `retry-after` header, if it is a number of seconds.
    pub fn retry_after(&self) -> Option<u32> {
@sync         let value = self.response.headers().get("retry-after");
@0.3         let value = self.headers.get("retry-after");
        std::str::from_utf8(value.first()?)
            .ok()?
            .trim()
            .parse()
            .ok()
    }

    /// The body as text, up to its first 64 KiB; an error if it breaks off or does not come.
    pub fn text(&self) -> Result<String, {{Failure}}> {
        let cut_short = || {{Failure}}::Unreachable("the answer was cut short".to_owned());
@sync         let body = self.response.consume().map_err(|()| cut_short())?;
@sync         let stream = body.stream().map_err(|()| cut_short())?;
@sync         let readable = stream.subscribe();
@sync         let timeout = monotonic_clock::subscribe_duration(BODY_WAIT);
@sync         let mut bytes = Vec::new();
@sync         while bytes.len() < BODY_BYTES {
@sync             poll(&[&readable, &timeout]);
@sync             if !readable.ready() {
@sync                 return Err(cut_short());
@sync             }
@sync             match stream.read((BODY_BYTES - bytes.len()) as u64) {
@sync                 Ok(more) => bytes.extend(more),
@sync                 Err(StreamError::Closed) => break,
@sync                 Err(StreamError::LastOperationFailed(_)) => return Err(cut_short()),
@sync             }
@sync         }
@sync         Ok(String::from_utf8_lossy(&bytes).into_owned())
@0.3         self.text.clone().ok_or_else(cut_short)
    }
}

@0.3 /// The first 64 KiB of the body as text, unless it breaks off or does not come.
@0.3 async fn first_bytes(response: Response) -> Option<String> {
@0.3     let (_over, is_over) = wit_future::new(|| Ok(()));
@0.3     let (mut body, trailers) = Response::consume_body(response, is_over);
@0.3     let late = monotonic_clock::now() + BODY_WAIT;
@0.3     let mut bytes = Vec::with_capacity(BODY_BYTES);
@0.3     while bytes.len() < BODY_BYTES {
@0.3         let (result, read) = body.read(bytes).await;
@0.3         bytes = read;
@0.3         if result == StreamResult::Dropped {
@0.3             // Trailers come after a whole body only.
@0.3             trailers.await.ok()?;
@0.3             break;
@0.3         }
@0.3         if monotonic_clock::now() > late {
@0.3             return None;
@0.3         }
@0.3     }
@0.3     Some(String::from_utf8_lossy(&bytes).into_owned())
@0.3 }
@0.3 
@sync fn new_request(url: &str, user_agent: &str, length: usize) -> Result<OutgoingRequest, {{Failure}}> {
@0.3 fn new_request(
@0.3     url: &str,
@0.3     user_agent: &str,
@0.3     length: usize,
@0.3     contents: StreamReader<u8>,
@0.3 ) -> Result<Request, Failure> {
    let invalid =
        || {{Failure}}::InvalidConfiguration("the endpoint must be an http or https URL".to_owned());
    let (scheme, rest) = url.split_once("://").ok_or_else(invalid)?;
    let (authority, path) = rest.split_once('/').ok_or_else(invalid)?;
    let scheme = match scheme {
        "https" => Scheme::Https,
        "http" => Scheme::Http,
        _ => return Err(invalid()),
    };
    let headers = Fields::from_list(&[
        ("content-type".to_owned(), b"application/json".to_vec()),
        ("content-length".to_owned(), length.to_string().into_bytes()),
        ("user-agent".to_owned(), user_agent.as_bytes().to_vec()),
    ])
    .map_err(|_| {{Failure}}::Other("the host does not take the request's headers".to_owned()))?;
@sync     let request = OutgoingRequest::new(headers);
@0.3     let options = RequestOptions::new();
@0.3     options
@0.3         .set_between_bytes_timeout(Some(BODY_WAIT))
@0.3         .map_err(|_| Failure::Other("the host does not take the request's timeout".to_owned()))?;
@0.3     let (trailers, no_trailers) = wit_future::new(|| Ok(None));
@0.3     drop(trailers);
@0.3     let (request, _sent) = Request::new(headers, Some(contents), no_trailers, Some(options));
    request
        .set_method(&Method::Post)
        .and_then(|()| request.set_scheme(Some(&scheme)))
        .and_then(|()| request.set_authority(Some(authority)))
        .and_then(|()| request.set_path_with_query(Some(&format!("/{path}"))))
        .map_err(|()| invalid())?;
    Ok(request)
}

@sync /// False if the body was cut short because the answer is there already, or the connection is gone.
@sync fn write(stream: &OutputStream, mut body: &[u8], pending: &FutureIncomingResponse) -> bool {
@sync     let writable = stream.subscribe();
@sync     let answered = pending.subscribe();
@sync     while !body.is_empty() {
@sync         match stream.check_write() {
@sync             Ok(0) => {
@sync                 poll(&[&writable, &answered]);
@sync                 if answered.ready() {
@sync                     return false;
@sync                 }
@sync             }
@sync             Ok(room) => {
@sync                 let length = body.len().min(room as usize);
@sync                 if stream.write(&body[..length]).is_err() {
@sync                     return false;
@sync                 }
@sync                 body = &body[length..];
@sync             }
@sync             Err(_) => return false,
@sync         }
@sync     }
@sync     true
@sync }
@sync 
@sync fn no_body() -> {{Failure}} {
@sync     {{Failure}}::Other("the host did not take the request's body".to_owned())
@sync }
@sync 
fn failure(code: ErrorCode) -> {{Failure}} {
    match code {
        ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => {
            {{Failure}}::Other(format!("the host denied the request: {code}"))
        }
        ErrorCode::HttpRequestUriInvalid => {
            {{Failure}}::InvalidConfiguration("the endpoint must be a valid URL".to_owned())
        }
        code => {{Failure}}::Unreachable(format!("the endpoint did not answer: {code}")),
    }
}
