//! One table, held against what is written here and against the curl of this machine.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::Command;

use super::*;
use crate::domain::Endpoint;

/// Whom the row holds for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Curl {
    /// curl 7.88 does the same.
    Same,
    /// Documented of curl, and done by later versions than 7.88, which took IPv6 addresses for names.
    Later,
    /// curl knows SOCKS.
    Socks,
}
use Curl::{Later, Same, Socks};

/// Variables, URL, and where the connection goes: `direct`, an address, or nowhere (`error`).
type Row<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a str, Curl);

/// What `no_proxy` says of a URL, beside a proxy at 127.0.0.1:1.
const EXCEPTIONS: &[(&str, &str, &str, Curl)] = &[
    ("example.com", "http://example.com", "direct", Same),
    ("example.com", "http://www.example.com", "direct", Same),
    ("example.com", "https://example.com", "direct", Same),
    (".example.com", "http://example.com", "direct", Same),
    (".example.com", "http://www.example.com", "direct", Same),
    (
        "..example.com",
        "http://www.example.com",
        "127.0.0.1:1",
        Same,
    ),
    ("example.com.", "http://example.com", "direct", Same),
    ("example.com", "http://example.com.", "direct", Same),
    ("example.com", "http://notexample.com", "127.0.0.1:1", Same),
    ("EXAMPLE.com", "http://example.com", "direct", Same),
    ("com", "http://example.com", "direct", Same),
    (".", "http://example.com", "127.0.0.1:1", Same),
    (
        "*.example.com",
        "http://www.example.com",
        "127.0.0.1:1",
        Same,
    ),
    ("*", "http://www.example.com", "direct", Same),
    ("*", "https://[::1]:9", "direct", Same),
    (" *", "http://www.example.com", "127.0.0.1:1", Same),
    ("*,x", "http://www.example.com", "127.0.0.1:1", Same),
    ("x,*", "http://www.example.com", "127.0.0.1:1", Same),
    ("a,example.com", "http://example.com", "direct", Same),
    ("a example.com", "http://example.com", "direct", Same),
    ("a\texample.com", "http://example.com", "direct", Same),
    ("a\nexample.com", "http://example.com", "127.0.0.1:1", Same),
    ("a, example.com", "http://example.com", "direct", Same),
    ("a , example.com", "http://example.com", "direct", Same),
    ("a,,example.com", "http://example.com", "direct", Same),
    ("a;example.com", "http://example.com", "127.0.0.1:1", Same),
    ("example.com:80", "http://example.com", "127.0.0.1:1", Same),
    (
        "example.com:80",
        "http://example.com:80",
        "127.0.0.1:1",
        Same,
    ),
    ("127.0.0.1", "http://127.0.0.1:9", "direct", Same),
    ("127.0.0.1:9", "http://127.0.0.1:9", "127.0.0.1:1", Same),
    ("localhost", "http://localhost:9", "direct", Same),
    ("localhost", "http://127.0.0.1:9", "127.0.0.1:1", Same),
    ("127.0.0.1", "http://localhost:9", "127.0.0.1:1", Same),
    ("", "http://localhost:9", "127.0.0.1:1", Same),
    ("10.0.0.0/8", "http://10.1.2.3", "direct", Same),
    ("10.1.2.3/8", "http://10.9.9.9", "direct", Same),
    ("10.0.0.0/8", "http://11.0.0.1", "127.0.0.1:1", Same),
    ("192.168.0.0/17", "http://192.168.127.1", "direct", Same),
    (
        "192.168.0.0/17",
        "http://192.168.128.1",
        "127.0.0.1:1",
        Same,
    ),
    ("0.0.0.0/0", "http://11.1.2.3", "127.0.0.1:1", Same),
    ("10.0.0.0/32", "http://10.0.0.0", "direct", Same),
    ("10.0.0.0/33", "http://10.0.0.0", "127.0.0.1:1", Same),
    ("10.0.0.0/", "http://10.0.0.0", "direct", Same),
    ("10.0.0.0/x", "http://10.0.0.0", "direct", Same),
    ("10.0.0.0/8x", "http://10.1.0.0", "direct", Same),
    ("10.0.0.0/-1", "http://10.0.0.0", "127.0.0.1:1", Same),
    ("10.", "http://10.1.2.3", "127.0.0.1:1", Same),
    ("2.3.4", "http://1.2.3.4", "127.0.0.1:1", Same),
    (".1.2.3.4", "http://1.2.3.4", "127.0.0.1:1", Same),
    ("1.2.3.4.", "http://1.2.3.4", "127.0.0.1:1", Same),
    ("::1", "http://[::1]:9", "direct", Same),
    ("[::1]", "http://[::1]:9", "127.0.0.1:1", Same),
    (
        "::ffff:10.0.0.0/104",
        "http://10.0.0.1",
        "127.0.0.1:1",
        Same,
    ),
    (
        "2001:db8::/129",
        "http://[2001:db8::]:9",
        "127.0.0.1:1",
        Same,
    ),
    ("::/0", "http://[2001:db8::5]:9", "127.0.0.1:1", Same),
    ("::1/128", "http://[::1]:9", "direct", Later),
    ("0:0:0:0:0:0:0:1", "http://[::1]:9", "direct", Later),
    ("2001:db8::/32", "http://[2001:db8::5]:9", "direct", Later),
    (
        "2001:db8::/33",
        "http://[2001:db8:7fff::5]:9",
        "direct",
        Later,
    ),
    (
        "2001:db8::/33",
        "http://[2001:db8:8000::5]:9",
        "127.0.0.1:1",
        Same,
    ),
];

const VARIABLES: &[Row<'static>] = &[
    (&[], "http://e.test", "direct", Same),
    (
        &[("http_proxy", "http://127.0.0.1:7")],
        "http://e.test",
        "127.0.0.1:7",
        Same,
    ),
    (
        &[("http_proxy", "http://127.0.0.1:7")],
        "https://e.test",
        "direct",
        Same,
    ),
    (
        &[
            ("http_proxy", "http://127.0.0.1:7"),
            ("REQUEST_METHOD", "GET"),
        ],
        "http://e.test",
        "127.0.0.1:7",
        Same,
    ),
    (
        &[("HTTP_PROXY", "http://127.0.0.1:7")],
        "http://e.test",
        "direct",
        Same,
    ),
    (
        &[("https_proxy", "http://127.0.0.1:7")],
        "https://e.test",
        "127.0.0.1:7",
        Same,
    ),
    (
        &[("https_proxy", "http://127.0.0.1:7")],
        "http://e.test",
        "direct",
        Same,
    ),
    (
        &[("HTTPS_PROXY", "http://127.0.0.1:7")],
        "https://e.test",
        "127.0.0.1:7",
        Same,
    ),
    (
        &[
            ("https_proxy", "http://127.0.0.1:8"),
            ("HTTPS_PROXY", "http://127.0.0.1:7"),
        ],
        "https://e.test",
        "127.0.0.1:8",
        Same,
    ),
    (
        &[("https_proxy", ""), ("HTTPS_PROXY", "http://127.0.0.1:7")],
        "https://e.test",
        "127.0.0.1:7",
        Same,
    ),
    (
        &[("all_proxy", "http://127.0.0.1:7")],
        "http://e.test",
        "127.0.0.1:7",
        Same,
    ),
    (
        &[("ALL_PROXY", "http://127.0.0.1:7")],
        "https://e.test",
        "127.0.0.1:7",
        Same,
    ),
    (
        &[
            ("all_proxy", "http://127.0.0.1:8"),
            ("ALL_PROXY", "http://127.0.0.1:7"),
        ],
        "http://e.test",
        "127.0.0.1:8",
        Same,
    ),
    (
        &[
            ("all_proxy", "http://127.0.0.1:8"),
            ("http_proxy", "http://127.0.0.1:7"),
        ],
        "http://e.test",
        "127.0.0.1:7",
        Same,
    ),
    (
        &[("all_proxy", "http://127.0.0.1:8"), ("http_proxy", "")],
        "http://e.test",
        "127.0.0.1:8",
        Same,
    ),
    (
        &[("all_proxy", "http://127.0.0.1:8"), ("NO_PROXY", "e.test")],
        "http://e.test",
        "direct",
        Same,
    ),
    (
        &[
            ("all_proxy", "http://127.0.0.1:8"),
            ("NO_PROXY", "e.test"),
            ("no_proxy", "x"),
        ],
        "http://e.test",
        "127.0.0.1:8",
        Same,
    ),
    (
        &[
            ("all_proxy", "http://127.0.0.1:8"),
            ("NO_PROXY", "e.test"),
            ("no_proxy", ""),
        ],
        "http://e.test",
        "direct",
        Same,
    ),
    (
        &[
            ("all_proxy", "http://127.0.0.1:8"),
            ("NO_PROXY", ""),
            ("no_proxy", "e.test"),
        ],
        "http://e.test",
        "direct",
        Same,
    ),
    (
        &[("all_proxy", "nonsense://x"), ("no_proxy", "e.test")],
        "http://e.test",
        "direct",
        Same,
    ),
    (
        &[("http_proxy", "http://127.0.0.1")],
        "http://e.test",
        "127.0.0.1:1080",
        Same,
    ),
    (
        &[("http_proxy", "127.0.0.1")],
        "http://e.test",
        "127.0.0.1:1080",
        Same,
    ),
    (
        &[("http_proxy", "127.0.0.1:7")],
        "http://e.test",
        "127.0.0.1:7",
        Same,
    ),
    (
        &[("http_proxy", "127.0.0.1:7/")],
        "http://e.test",
        "127.0.0.1:7",
        Same,
    ),
    (
        &[("http_proxy", "http://127.0.0.1:7/path?x")],
        "http://e.test",
        "127.0.0.1:7",
        Same,
    ),
    (
        &[("http_proxy", "http://127.0.0.1:80")],
        "http://e.test",
        "127.0.0.1:80",
        Same,
    ),
    (
        &[("http_proxy", "HTTP://127.0.0.1:7")],
        "http://e.test",
        "127.0.0.1:7",
        Same,
    ),
    (
        &[("http_proxy", "https://127.0.0.1")],
        "http://e.test",
        "127.0.0.1:443",
        Same,
    ),
    (
        &[("http_proxy", "https://127.0.0.1:7")],
        "http://e.test",
        "127.0.0.1:7",
        Same,
    ),
    (
        &[("http_proxy", "http://[::1]:7")],
        "http://e.test",
        "[::1]:7",
        Same,
    ),
    (
        &[("http_proxy", "[::1]:7")],
        "http://e.test",
        "[::1]:7",
        Same,
    ),
    (
        &[("http_proxy", "[::1]")],
        "http://e.test",
        "[::1]:1080",
        Same,
    ),
    (
        &[("http_proxy", "0x7f.1:7")],
        "http://e.test",
        "127.0.0.1:7",
        Same,
    ),
    (
        &[("http_proxy", "u:p@127.0.0.1:7")],
        "http://e.test",
        "127.0.0.1:7",
        Same,
    ),
    (
        &[("http_proxy", "http://u:p@127.0.0.1")],
        "http://e.test",
        "127.0.0.1:1080",
        Same,
    ),
    (
        &[("http_proxy", "http://u:p@q@127.0.0.1:7")],
        "http://e.test",
        "error",
        Same,
    ),
    (
        &[("http_proxy", "http://127.0.0.1:")],
        "http://e.test",
        "127.0.0.1:1080",
        Same,
    ),
    (
        &[("http_proxy", "127.0.0.1:")],
        "http://e.test",
        "error",
        Same,
    ),
    (
        &[("http_proxy", "ftp://127.0.0.1:7")],
        "http://e.test",
        "error",
        Same,
    ),
    (
        &[("http_proxy", "foo://127.0.0.1:7")],
        "http://e.test",
        "error",
        Same,
    ),
    (
        &[("http_proxy", "http://127.0.0.1:7 ")],
        "http://e.test",
        "error",
        Same,
    ),
    (
        &[("http_proxy", " http://127.0.0.1:7")],
        "http://e.test",
        "error",
        Same,
    ),
    (
        &[("http_proxy", "http://127.0.0.1:99999")],
        "http://e.test",
        "error",
        Same,
    ),
    (&[("http_proxy", "http://")], "http://e.test", "error", Same),
    (
        &[("http_proxy", "//127.0.0.1:7")],
        "http://e.test",
        "error",
        Same,
    ),
    (
        &[("http_proxy", "socks5://127.0.0.1:7")],
        "http://e.test",
        "error",
        Socks,
    ),
    (
        &[("http_proxy", "SOCKS5h://127.0.0.1:7")],
        "http://e.test",
        "error",
        Socks,
    ),
    (
        &[("all_proxy", "socks4://127.0.0.1:7")],
        "https://e.test",
        "error",
        Socks,
    ),
];

fn check(row: impl Fn(Row<'_>)) {
    for &(exceptions, url, goes, curl) in EXCEPTIONS {
        let proxy = "http://127.0.0.1:1";
        let variables = [("all_proxy", proxy), ("no_proxy", exceptions)];
        row((&variables, url, goes, curl));
    }
    VARIABLES.iter().copied().for_each(row);
}

fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment::read(|name| {
        let (_, value) = variables.iter().find(|(key, _)| *key == name)?;
        Some(OsString::from(value))
    })
}

fn proxy(variables: &[(&str, &str)], url: &str) -> Result<Option<Proxy>, EgressFailure> {
    for_origin(
        &environment(variables),
        &Endpoint::parse(url).unwrap().origin(),
    )
}

#[test]
fn each_request_goes_where_the_table_says() {
    check(|(variables, url, goes, _)| {
        let found = match proxy(variables, url) {
            Ok(None) => "direct".to_owned(),
            Ok(Some(proxy)) => format!("{}:{}", proxy.host, proxy.port),
            Err(_) => "error".to_owned(),
        };
        assert_eq!(found, goes, "{variables:?} {url}");
    });
}

/// A curl that sees these variables only.
fn curl(variables: &[(&str, &str)]) -> Command {
    let mut curl = Command::new("curl");
    curl.env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .envs(variables.iter().copied())
        .args(["--disable", "--silent", "--show-error", "--max-time", "10"]);
    curl
}

fn version_of_curl() -> Option<String> {
    let told = Command::new("curl").arg("--version").output().ok()?;
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    told.split_whitespace().nth(1).map(str::to_owned)
}

/// Says in words that there is nothing to compare with.
fn without_curl() -> bool {
    let found = version_of_curl();
    if found.is_none() {
        let _ = writeln!(
            std::io::stderr(),
            "curl is not installed: the proxy table is checked on its own only"
        );
    }
    found.is_none()
}

#[test]
fn the_table_is_what_curl_does() {
    if without_curl() {
        return;
    }
    check(|(variables, url, goes, holds)| {
        if holds != Same {
            return;
        }
        // Nothing listens on these ports of the loopback; what curl says of its first attempt is enough.
        let told = curl(variables)
            .args(["--verbose", "--connect-to", "::127.0.0.1:2", url])
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&told.stderr).into_owned();
        let tried = told.split("Trying ").nth(1).and_then(|rest| {
            let (address, _) = rest.split_once("...")?;
            Some(address)
        });
        let went = match tried {
            Some("127.0.0.1:2") => "direct",
            Some(address) => address,
            None => "error",
        };
        assert_eq!(went, goes, "{variables:?} {url}: {told}");
    });
}

#[test]
fn user_information_is_sent_as_curl_sends_it() {
    for (user_information, expected) in [
        (
            "Aladdin:open%20sesame",
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        ),
        ("Aladdin:op:en", "Basic QWxhZGRpbjpvcDplbg=="),
        ("Aladdin", "Basic QWxhZGRpbjo="),
        ("Aladdin:", "Basic QWxhZGRpbjo="),
        ("%C3%BC:%40%3a%2F", "Basic w7w6QDov"),
        (r"DOM\user:pass", "Basic RE9NXHVzZXI6cGFzcw=="),
        ("ü:pässwörd", "Basic w7w6cMOkc3N3w7ZyZA=="),
        ("me:a\"b|c{d}^", "Basic bWU6YSJifGN7ZH1e"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let value = format!("http://{user_information}@{address}");
        let variables = [("http_proxy", value.as_str())];

        let found = proxy(&variables, "http://e.test").unwrap().unwrap();
        let authorization = found.authorization.clone().unwrap();
        assert!(authorization.is_sensitive());
        assert_eq!(authorization, expected, "{user_information}");
        let shown = format!("http://{address} (http_proxy)");
        assert_eq!(format!("{found:?} {found}"), format!("{shown} {shown}"));

        if without_curl() {
            continue;
        }
        let mut asking = curl(&variables).arg("http://e.test").spawn().unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        let lines = BufReader::new(&stream).lines().map(Result::unwrap);
        let head: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .unwrap();
        asking.wait().unwrap();
        assert!(
            head.contains(&format!("Proxy-Authorization: {expected}")),
            "{user_information}: {head:?}"
        );
    }
}

#[test]
fn a_value_that_cannot_be_used_is_told_without_quoting_it() {
    let why =
        |variables: &[(&str, &str)]| proxy(variables, "http://e.test").unwrap_err().to_string();
    insta::assert_snapshot!(
        [
            why(&[("http_proxy", "socks5://me:secret@127.0.0.1:7")]),
            why(&[("ALL_PROXY", "http://me:secret@:7")]),
            why(&[("all_proxy", "quic://me:secret@127.0.0.1")]),
        ]
        .join("\n"),
        @r"
    the variable http_proxy names a SOCKS proxy, and only http and https proxies are supported
    the variable ALL_PROXY is not the address of an http or https proxy
    the variable all_proxy is not the address of an http or https proxy
    "
    );
    let environment = environment(&[("http_proxy", "http://me:secret@127.0.0.1:7")]);
    assert!(!format!("{environment:?}").contains("secret"));
}
