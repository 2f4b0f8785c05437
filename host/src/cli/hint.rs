//! What to do next about a failure, as the command line says it: no error of the library gives advice.

use std::io;

use swamp::config::install_id::InstallIdError;
use swamp::config::ownership::Foreign;
use swamp::config::trust_store::TrustError;
use swamp::config::{ConfigError, ConfigFileError, EditError, OffSwitch, YamlError};
use swamp::domain::{Cause, EndpointError, ForeignText, SpoolError, shown};
use swamp::receiver::ReceiverError;
use swamp::scaffold::SenderNameError;

/// Where a file or its directory cannot be written.
pub(crate) const WRITABLE: &str = "make the file and its directory writable";

/// What to do about this cause, whatever failed for it.
pub(crate) const fn of_cause(cause: Cause) -> &'static str {
    match cause {
        Cause::NotPublic => "review the sender, then run `swamp trust` if it may send there",
        Cause::NamedCertificates => "correct or unset SSL_CERT_FILE and SSL_CERT_DIR",
        Cause::NoCertificates => "name a file of trusted certificates in SSL_CERT_FILE",
        Cause::CertificateNotYetValid => "check this machine's clock",
        Cause::UnknownAuthority => "name the certificate of its authority in SSL_CERT_FILE",
        Cause::AuthorityCertificate => "have the authority sign a certificate for the host",
        Cause::ProxyNotText => "correct or unset the variable",
        Cause::ProxyIsSocks => "name an http or https proxy, or put the host in no_proxy",
        Cause::ProxyNotAnAddress => "write the proxy as http://HOST:PORT",
        Cause::SpeaksHttp2 => "name the port for HTTP/1.1 in the endpoint",
        Cause::SpeaksTls => "write https in the endpoint",
        Cause::CoreModule => "build it for wasm32-wasip2, or convert it with `swamp sender wrap`",
        Cause::TextFormat => "translate it with `wasm-tools parse`",
        Cause::UnsupportedFeature => "build it without that",
        Cause::AsyncContract => "build it for contract 0.3.0",
        Cause::NotAsync => "make it async, or build it for contract 0.2.0",
        Cause::UnsupportedContract => "build it for a version of the contract that this host runs",
        Cause::AddressSpaceLimit => "raise the limit that `ulimit -v` shows",
        Cause::ProcessorTimeLimit => "raise the limit that `ulimit -t` shows",
        Cause::FileSizeLimit => "raise the limit that `ulimit -f` shows",
        Cause::ExecutableMemory => "allow this program to make memory executable",
        Cause::UntrustedSender => "run `swamp trust` if the sender may send them",
        Cause::PathNotUnicode => "move it to a path that is Unicode",
        Cause::OtherOwner => "if you trust its owner, run `swamp trust`",
        Cause::NotYours => "move it away, or make it yours",
        Cause::WritableByAll => "run `chmod o-w` on it",
        Cause::WritableByGroup => "run `chmod g-w` on it",
    }
}

/// What to do about a failed delivery of this kind and cause. `component` is the sender, as `telemetrySender` names it.
pub(crate) fn of_failure(kind: &str, cause: Option<Cause>, component: &ForeignText) -> Vec<String> {
    let of_cause = cause.map(|cause| of_cause(cause).to_owned());
    of_cause
        .into_iter()
        .chain(of_kind(kind, component))
        .collect()
}

fn of_kind(kind: &str, component: &ForeignText) -> Option<String> {
    let hint = match kind {
        "missing" => {
            "correct telemetrySender in .swamp.yaml, or run `swamp sender use builtin:ingest`"
        }
        "not-pinned" => {
            return Some(format!(
                "to use this file, run `swamp sender use {}`",
                component.in_shell()
            ));
        }
        "not-allowed" => "review the sender, then run `swamp sender trust`",
        "not-trusted" => "review the sender, then run `swamp trust`",
        "not-compilable" | "not-linkable" => {
            return Some(format!("run `swamp sender check {}`", component.in_shell()));
        }
        "trapped" => "run the command with `--log-level debug` to see the sender's last output",
        "out-of-time" => {
            "check that the endpoint is up; `--log-level debug` shows the sender's last output"
        }
        "out-of-memory" => {
            "if the sender needs more, raise telemetrySenderLimits.memoryMiB in .swamp.yaml"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

/// What to do about a marker or a `config.yaml` that was not read or changed.
pub(crate) fn of_config_file(error: &ConfigFileError) -> Option<String> {
    let hint = match error {
        ConfigFileError::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            "run `swamp init`"
        }
        ConfigFileError::Read { source, .. } => match Cause::of_io(source) {
            Some(cause) => of_cause(cause),
            None => "make it a text file that you can read and only you can write",
        },
        ConfigFileError::Invalid { source, .. } => of_config(source)?,
        ConfigFileError::Edit { source, .. } => of_edit(source)?,
        ConfigFileError::Write { .. } => WRITABLE,
        ConfigFileError::Link(_) => "run `swamp repo upgrade`",
        ConfigFileError::LinkOfOthers { .. } => "replace the link with the file",
        ConfigFileError::Exists(_) => "run `swamp repo upgrade` to upgrade it",
        ConfigFileError::Lock { source, .. } => match Cause::of_io(source) {
            Some(cause) => of_cause(cause),
            None => "make .swamp a writable directory",
        },
        ConfigFileError::Busy(_) => "try again",
        ConfigFileError::Foreign(foreign) => return Some(of_foreign(foreign)),
    };
    Some(hint.to_owned())
}

const fn of_edit(error: &EditError) -> Option<&'static str> {
    match error {
        EditError::Yaml(error) => of_yaml(error),
        EditError::NotPlain { .. } | EditError::NoPlace(_) => Some("edit the file by hand"),
    }
}

fn of_config(error: &ConfigError) -> Option<&'static str> {
    match error {
        ConfigError::Yaml(error) => of_yaml(error),
        ConfigError::Value { key, .. } if key.as_written() == "repoId" => {
            Some("remove the line to get a new id")
        }
        ConfigError::Value { .. } => None,
        ConfigError::NotAUrl { .. } => {
            Some("write a URL without a query, such as https://telemetry.example.com/path")
        }
        ConfigError::Twice { .. } => Some("merge the two"),
        ConfigError::Header { .. } => Some("remove the header"),
    }
}

const fn of_yaml(error: &YamlError) -> Option<&'static str> {
    match error {
        YamlError::Invalid { .. } => None,
        YamlError::TooLarge => Some("make the file smaller"),
        YamlError::Disputed(_) => Some("use simpler YAML syntax"),
        YamlError::TooDeep(_) => Some("use fewer levels"),
        YamlError::Alias(_) => Some("write the value instead of the alias"),
        YamlError::SecondDocument(_) => Some("remove the second document"),
        YamlError::Duplicate { .. } => Some("remove one of the two"),
        YamlError::NotAMapping(_) => Some("write the whole file as `key: value` pairs"),
    }
}

/// What to do about files that are another user's.
pub(crate) fn of_foreign(foreign: &Foreign) -> String {
    let root = shown(&foreign.root).in_shell();
    format!("if you trust its owner, run `swamp -C {root} trust`")
}

/// What to do where telemetry has to be on.
pub(crate) fn of_switch(switch: &OffSwitch) -> Vec<String> {
    let of_switch = match switch {
        OffSwitch::User => Some("run `swamp telemetry enable --global`"),
        OffSwitch::Marker => Some("run `swamp telemetry enable`"),
        OffSwitch::UnreadableUser(_) | OffSwitch::UnreadableTrust(_) => Some("run `swamp doctor`"),
        OffSwitch::Option | OffSwitch::Variable(_) => None,
    };
    let hints = switch.cause().map(of_cause).into_iter().chain(of_switch);
    hints.map(str::to_owned).collect()
}

/// What to do about a text that is no endpoint.
pub(crate) const fn of_endpoint(error: &EndpointError) -> &'static str {
    match error {
        EndpointError::NotAUrl(..) | EndpointError::NotHttp(_) | EndpointError::NoHost(_) => {
            "use a URL such as https://telemetry.example.com"
        }
        EndpointError::UserInfo => {
            "remove them, and set a header for this URL in your own config.yaml"
        }
        EndpointError::QueryOrFragment(_) => "remove the query and the fragment",
    }
}

/// What to do about a spool that cannot be used.
pub(crate) fn of_spool(error: &SpoolError) -> &'static str {
    if let Some(cause) = error.cause() {
        return of_cause(cause);
    }
    match error.source.kind() {
        io::ErrorKind::PermissionDenied => {
            "make it yours, or, if a group shares it, have its owner run `swamp trust`"
        }
        _ => "check that it is yours and that the disk is not full",
    }
}

/// What to do where it could not be remembered what is trusted.
pub(crate) fn of_trust(error: &TrustError) -> Vec<String> {
    let general = match error {
        TrustError::Read { .. } => {
            "make the file and its directory writable by you alone, or remove the file"
        }
        TrustError::Invalid { .. } => {
            "remove the file, and run `swamp trust` again in the repositories that you trust"
        }
        TrustError::Write { .. } => WRITABLE,
        TrustError::NoPlace => "set HOME or XDG_STATE_HOME",
        TrustError::NotText(_) => "rename the directory",
    };
    let hints = error.cause().map(of_cause).into_iter().chain([general]);
    hints.map(str::to_owned).collect()
}

/// What to do where the install id could not be changed.
pub(crate) const fn of_install_id(error: &InstallIdError) -> &'static str {
    match error {
        InstallIdError::NoHome => "set HOME or XDG_STATE_HOME",
        InstallIdError::Write { .. } => WRITABLE,
    }
}

/// What to do about a name that no sender can have.
pub(crate) const fn of_name(error: &SenderNameError) -> Option<&'static str> {
    match error {
        SenderNameError::Spelling => None,
        SenderNameError::Device(_) | SenderNameError::Reserved(_) => Some("choose another name"),
    }
}

/// What to do about a receiver that did not start.
pub(crate) const fn of_receiver(error: &ReceiverError) -> &'static str {
    match error {
        ReceiverError::Remote(_) => "listen on 127.0.0.1, or add --allow-remote",
        ReceiverError::InUse(_) => {
            "stop the program that uses it, or use another address with --listen"
        }
        ReceiverError::Listen(..) => "use another address with --listen",
        ReceiverError::Status(_) => "use a status from 200 to 599",
        ReceiverError::Save { .. } => "use a file that you can write to",
        ReceiverError::Start(_) => "try again when the machine is less busy",
    }
}
