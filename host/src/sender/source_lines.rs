//! Where in its source a component was, by the DWARF in its core modules.
//!
//! DWARF is the guest's: few bytes of it can ask for any amount of time and memory, and the libraries that read it may
//! panic. So the engine is told to leave it alone, and it is read in a worker, bounded in time and memory, where a person
//! waits for the answer. A flush never reads it.

use std::collections::HashMap;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use addr2line::gimli::{self, Dwarf, EndianSlice, LittleEndian, SectionId};
use addr2line::{Context, Frame};
use serde::{Deserialize, Serialize};
use tracing::debug;
use wasmparser::{FunctionBody, Parser, Payload, TypeRef};

use super::limits;
use super::resources::bound_memory;
use crate::process::timer::Timer;
use crate::process::watchdog::Watchdog;
use crate::process::worker::{Program, WorkerTask};

/// The section without which no instruction has a line.
const LINE_TABLE: &str = ".debug_line";

/// The most functions that are told of one frame besides its own, into which they were inlined.
const INLINED: usize = 16;

/// The most bytes of a question: positions are few.
const QUESTION_BYTES: u64 = 64 * 1024;

/// The most bytes of an answer.
const ANSWER_BYTES: u64 = 4 * 1024 * 1024;

/// An instruction of a core module in a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// The index of its function in the core module.
    pub(super) function: u32,
    /// Where its function begins in the component's file, in bytes.
    pub(super) begin: usize,
    /// Its offset in the component's file, in bytes.
    pub(super) offset: usize,
}

/// A place in source, as far as it is told. The texts are the guest's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// The function, as its author wrote it.
    pub(super) function: Option<String>,
    pub(super) file: Option<String>,
    /// From 1.
    pub(super) line: Option<u32>,
    /// From 1.
    pub(super) column: Option<u32>,
}

/// Whether a component in binary says which lines of source its instructions are of.
pub(super) fn are_in(component: &[u8]) -> bool {
    let mut payloads = Parser::new(0).parse_all(component).map_while(Result::ok);
    payloads.any(
        |payload| matches!(payload, Payload::CustomSection(section) if section.name() == LINE_TABLE),
    )
}

/// What finds the lines of a component for a person.
#[derive(Debug)]
pub(super) struct SourceLines {
    program: Program,
    component: Vec<u8>,
    directory: PathBuf,
    /// Whoever waited in vain once is not made to wait again.
    failed: AtomicBool,
}

impl SourceLines {
    /// What has workers run `program` to read those of `component`, for a person who works in `directory`. `None`
    /// where it has none.
    pub(super) fn of(component: &[u8], program: &Program, directory: &Path) -> Option<Self> {
        are_in(component).then(|| Self {
            program: program.clone(),
            component: component.to_vec(),
            directory: directory.to_owned(),
            failed: AtomicBool::new(false),
        })
    }

    /// The places of each position, innermost first: none where they cannot be found out within
    /// [`limits::LOCATE_TIME`] and [`limits::LOCATE_MEMORY`].
    pub(super) fn places(&self, positions: &[Position]) -> Vec<Vec<Place>> {
        if positions.is_empty() || self.failed.load(Ordering::Relaxed) {
            return Vec::new();
        }
        self.ask(positions).unwrap_or_else(|why| {
            self.failed.store(true, Ordering::Relaxed);
            debug!("could not read the sender's DWARF: {why}");
            Vec::new()
        })
    }

    /// The file of a place as the person would name it: relative where it lies below the directory that they work in.
    pub(super) fn shown<'a>(&self, file: &'a str) -> &'a str {
        let relative = Path::new(file).strip_prefix(&self.directory).ok();
        relative.and_then(Path::to_str).unwrap_or(file)
    }

    fn ask(&self, positions: &[Position]) -> io::Result<Vec<Vec<Place>>> {
        let mut question = serde_json::to_vec(positions)?;
        question.push(b'\n');
        let mut worker = self
            .program
            .command(WorkerTask::Locate)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (stdin, stdout) = (worker.stdin.take(), worker.stdout.take());
        let mut answer = Vec::new();
        thread::scope(|scope| {
            scope.spawn(|| {
                // A worker that gives up closes its end; how it ended is what counts.
                stdin.map(|mut stdin| {
                    stdin.write_all(&question)?;
                    stdin.write_all(&self.component)
                })
            });
            stdout.map(|stdout| stdout.take(ANSWER_BYTES).read_to_end(&mut answer))
        });
        let status = worker.wait()?;
        if !status.success() {
            return Err(io::Error::other(format!("its reader ended with {status}")));
        }
        Ok(serde_json::from_slice(&answer)?)
    }
}

/// Bounds this process as a worker that reads DWARF is bounded: by [`limits::LOCATE_MEMORY`], and by
/// [`limits::LOCATE_TIME`] for as long as the watchdog lives.
///
/// # Errors
///
/// When the system gives no thread for the watchdog.
pub fn bound_locating() -> io::Result<Watchdog> {
    bound_memory(limits::LOCATE_MEMORY);
    Watchdog::start(&Timer::default(), limits::LOCATE_TIME, || {})
}

/// What a locating worker does: reads positions and a component from `input`, and writes the places of each to `output`.
///
/// # Errors
///
/// When it cannot read or write, or was not asked in the right form.
pub fn locate(input: impl Read, mut output: impl Write) -> io::Result<()> {
    let mut input = BufReader::new(input);
    let mut question = String::new();
    input
        .by_ref()
        .take(QUESTION_BYTES)
        .read_line(&mut question)?;
    let positions: Vec<Position> = serde_json::from_str(&question)?;
    let mut component = Vec::new();
    input
        .take(limits::COMPONENT_BYTES)
        .read_to_end(&mut component)?;
    serde_json::to_writer(&mut output, &places(&component, &positions))?;
    output.flush()
}

/// The places of each position in a component in binary, which is read up to the first thing that is damaged.
fn places(component: &[u8], positions: &[Position]) -> Vec<Vec<Place>> {
    let mut places = vec![Vec::new(); positions.len()];
    // What the parser is in, and has descended into: the outermost component is not among them.
    let mut open: Vec<Module<'_>> = Vec::new();
    for payload in Parser::new(0).parse_all(component).map_while(Result::ok) {
        match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                open.push(Module::default());
            }
            Payload::End(_) => {
                let Some(module) = open.pop() else { continue };
                for (position, found) in module.places() {
                    if let Some(place) = places.get_mut(position) {
                        *place = found;
                    }
                }
            }
            payload => {
                if let Some(module) = open.last_mut() {
                    module.take(&payload, positions);
                }
            }
        }
    }
    places
}

type Section<'a> = EndianSlice<'a, LittleEndian>;

/// A core module, as far as it was read.
#[derive(Default)]
struct Module<'a> {
    /// How many functions there are before the next body.
    functions: u32,
    /// Where the content of its code section begins, from which DWARF counts.
    code: usize,
    /// Which of the positions are in it, and the address of each by DWARF.
    found: Vec<(usize, u64)>,
    dwarf: HashMap<&'a str, &'a [u8]>,
}

impl<'a> Module<'a> {
    fn take(&mut self, payload: &Payload<'a>, positions: &[Position]) {
        match payload {
            Payload::ImportSection(section) => {
                let imports = section.clone().into_imports().map_while(Result::ok);
                let functions = imports
                    .filter(|import| matches!(import.ty, TypeRef::Func(_) | TypeRef::FuncExact(_)));
                self.functions += u32::try_from(functions.count()).unwrap_or(0);
            }
            Payload::CodeSectionStart { range, .. } => self.code = range.start,
            Payload::CodeSectionEntry(body) => self.take_body(body, positions),
            Payload::CustomSection(section) => {
                self.dwarf.insert(section.name(), section.data());
            }
            _ => {}
        }
    }

    /// What the engine made itself, such as adapters between components, counts in modules of its own: only a function of
    /// the same index that begins and ends where this one does is taken for it.
    fn take_body(&mut self, body: &FunctionBody<'a>, positions: &[Position]) {
        for (index, position) in positions.iter().enumerate() {
            let range = body.range();
            if position.function == self.functions
                && position.begin == range.start
                && range.contains(&position.offset)
            {
                let address = position.offset.saturating_sub(self.code);
                self.found.push((index, address as u64));
            }
        }
        self.functions += 1;
    }

    /// The places of the positions in it.
    fn places(&self) -> Vec<(usize, Vec<Place>)> {
        if self.found.is_empty() {
            return Vec::new();
        }
        let section = |id: SectionId| {
            let data = self.dwarf.get(id.name()).copied().unwrap_or_default();
            Ok::<_, gimli::Error>(EndianSlice::new(data, LittleEndian))
        };
        let Ok(context) = Dwarf::load(section).and_then(Context::from_dwarf) else {
            return Vec::new();
        };
        let found = self.found.iter();
        found
            .map(|&(position, address)| (position, places_at(&context, address)))
            .collect()
    }
}

/// The places of an address, as far as they can be read: what runs, and what that was inlined into.
fn places_at(context: &Context<Section<'_>>, address: u64) -> Vec<Place> {
    let Ok(mut frames) = context.find_frames(address).skip_all_loads() else {
        return Vec::new();
    };
    let mut places: Vec<_> = std::iter::from_fn(|| frames.next().ok().flatten())
        .map(|frame| place(&frame))
        .collect();
    // The last is of the function that there is in the component.
    let Some(outermost) = places.pop() else {
        return places;
    };
    places.retain(|place| place.function.is_some() || place.file.is_some());
    places.truncate(INLINED);
    places.push(outermost);
    places
}

fn place(frame: &Frame<'_, Section<'_>>) -> Place {
    let cut = |text: &str| text.chars().take(limits::REASON_CHARS).collect();
    let name = |name: &addr2line::FunctionName<_>| Some(cut(&name.demangle().ok()?));
    let location = frame.location.as_ref();
    Place {
        function: frame.function.as_ref().and_then(name),
        file: location.and_then(|location| location.file).map(cut),
        line: location.and_then(|location| location.line),
        column: location.and_then(|location| location.column),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn traced() -> Vec<u8> {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
        fs::read(fixtures.join("traced-sender/traced-sender.wasm")).unwrap()
    }

    #[test]
    fn a_position_is_in_a_function_of_the_same_index_and_beginning_only() {
        // The functions of the first core module, which imports none, by where they begin.
        let traced = traced();
        let bodies: Vec<_> = Parser::new(0)
            .parse_all(&traced)
            .map_while(Result::ok)
            .filter_map(|payload| match payload {
                Payload::CodeSectionEntry(body) => Some(body.range()),
                _ => None,
            })
            .collect();
        let offset = bodies[2].end - 1;
        let position = |function, begin| Position {
            function,
            begin,
            offset,
        };
        let asked = [
            position(2, bodies[2].start),
            position(1, bodies[2].start),
            position(2, bodies[1].start),
        ];
        let told: Vec<_> = places(&traced, &asked)
            .into_iter()
            .map(|places| places.into_iter().find_map(|place| place.function))
            .collect();
        assert_eq!(told, [Some("read_answer".to_owned()), None, None]);
    }

    #[test]
    fn a_file_below_the_directory_is_relative_to_it() {
        let lines = SourceLines {
            program: Program::new("swamp"),
            component: Vec::new(),
            directory: PathBuf::from("/home/me/sender"),
            failed: AtomicBool::new(false),
        };
        for (file, shown) in [
            ("/home/me/sender/src/lib.rs", "src/lib.rs"),
            (
                "/home/me/sender-of-another/lib.rs",
                "/home/me/sender-of-another/lib.rs",
            ),
            (
                "/rustc/0000/library/core/src/panicking.rs",
                "/rustc/0000/library/core/src/panicking.rs",
            ),
            ("src/lib.rs", "src/lib.rs"),
        ] {
            assert_eq!(lines.shown(file), shown);
        }
    }
}
