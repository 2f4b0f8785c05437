//! The names of all environment variables that the program reads or sets, each with what it means.

/// The documented variables, in the order of the manual: name and meaning.
pub const DOCUMENTED: &[(&str, &str)] = &[
    (
        NO_TELEMETRY,
        "Turns telemetry off, unless it is empty, 0 or false.",
    ),
    (
        DO_NOT_TRACK,
        "Turns telemetry off, unless it is empty, 0 or false.",
    ),
    (
        ENDPOINT,
        "URL to send telemetry to, instead of telemetryEndpoint in .swamp.yaml.",
    ),
    (
        TRUST_DIRECTORY,
        "Absolute path of a repository to trust in this run, whoever owns it; for CI containers.",
    ),
    (
        FLUSH,
        "Whether commands wait for the flush: background (default) does not wait, inline waits at most 5 seconds, off \
         does not flush.",
    ),
    (
        REPO_DIR,
        "Directory of the repository; --repo-dir overrides it.",
    ),
    (
        LOG_LEVEL,
        "Minimum log level: trace, debug, info, warning, error or fatal.",
    ),
    (
        BIN,
        "Absolute path of the swamp program that delivers what an embedded recorder has recorded.",
    ),
    (
        PARENT_INVOCATION_ID,
        "Id of the invocation that started a command, recorded as parentInvocationId. exec sets it for the program.",
    ),
    (NO_COLOR, "Turns colors off, unless it is empty."),
    (
        CLICOLOR_FORCE,
        "Turns colors on even if the output is not a terminal, unless it is empty or 0.",
    ),
    (TERM, "Turns colors off if it is dumb."),
    (
        CONFIG_HOME,
        "Directory of swamp/config.yaml; ~/.config by default.",
    ),
    (
        STATE_HOME,
        "Directory of swamp's state, such as trusted senders; ~/.local/state by default.",
    ),
    (
        CACHE_HOME,
        "Directory of compiled senders; ~/.cache by default.",
    ),
    (
        HTTP_PROXY,
        "Proxy for http endpoints. Only the lower-case name is read, as in curl.",
    ),
    (HTTPS_PROXY, "Proxy for https endpoints; also HTTPS_PROXY."),
    (ALL_PROXY, "Proxy for all endpoints; also ALL_PROXY."),
    (
        NO_PROXY,
        "Hosts that are reached without a proxy, separated by commas; also NO_PROXY.",
    ),
    (
        CERT_FILE,
        "File of the certificates to trust instead of the system's.",
    ),
    (
        CERT_DIR,
        "Directory of the certificates to trust instead of the system's.",
    ),
];

/// Turns telemetry off.
pub const NO_TELEMETRY: &str = "SWAMP_NO_TELEMETRY";

/// Turns telemetry off in every program that honors it.
pub const DO_NOT_TRACK: &str = "DO_NOT_TRACK";

/// Overrides the endpoint of the marker.
pub const ENDPOINT: &str = "SWAMP_TELEMETRY_ENDPOINT";

/// Names a directory whose repository this user trusts, for one job.
pub const TRUST_DIRECTORY: &str = "SWAMP_TRUST_DIRECTORY";

/// Sets whether commands wait for the flush.
pub const FLUSH: &str = "SWAMP_TELEMETRY_FLUSH";

/// Names the repository's directory, as `--repo-dir` does.
pub const REPO_DIR: &str = "SWAMP_REPO_DIR";

/// Sets the log level.
pub const LOG_LEVEL: &str = "SWAMP_LOG_LEVEL";

/// Names the program that delivers what an embedded recorder has recorded.
pub const BIN: &str = "SWAMP_BIN";

/// The id of the invocation that runs a program. `swamp exec` sets it.
pub const PARENT_INVOCATION_ID: &str = "SWAMP_PARENT_INVOCATION_ID";

/// Makes this program a worker. Only this program sets it.
pub const WORKER: &str = "SWAMP_WORKER";

/// Asks for completions. Only the completion scripts set it.
pub const COMPLETE: &str = "SWAMP_COMPLETE";

/// Turns colors off.
pub const NO_COLOR: &str = "NO_COLOR";

/// Turns colors on, whatever the output is.
pub const CLICOLOR_FORCE: &str = "CLICOLOR_FORCE";

/// The kind of terminal.
pub const TERM: &str = "TERM";

/// The base of the user's configuration, by the XDG specification.
pub const CONFIG_HOME: &str = "XDG_CONFIG_HOME";

/// The base of the user's state.
pub const STATE_HOME: &str = "XDG_STATE_HOME";

/// The base of the user's cache.
pub const CACHE_HOME: &str = "XDG_CACHE_HOME";

/// The proxy for `http` endpoints.
pub const HTTP_PROXY: &str = "http_proxy";

/// The proxy for `https` endpoints.
pub const HTTPS_PROXY: &str = "https_proxy";

/// The proxy for all endpoints.
pub const ALL_PROXY: &str = "all_proxy";

/// The hosts that are reached without a proxy.
pub const NO_PROXY: &str = "no_proxy";

/// A file of trusted certificates.
pub const CERT_FILE: &str = "SSL_CERT_FILE";

/// A directory of trusted certificates.
pub const CERT_DIR: &str = "SSL_CERT_DIR";
