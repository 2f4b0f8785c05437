//! The environment of the program: this process's own, but for the variables by which systemd names the process that
//! is meant, where they name this one, and for the invocation's id.

use std::ffi::{CStr, CString, c_char};
use std::ptr;

use nix::unistd::getpid;
use swamp::domain::EntryId;
use swamp::domain::variables::PARENT_INVOCATION_ID;

const NAMING: [&[u8]; 2] = [b"LISTEN_PID=", b"WATCHDOG_PID="];

/// Names the same process in another way, and the program cannot know its own in advance.
const ALSO_NAMING: &[u8] = b"LISTEN_PIDFDID=";

/// Long enough for each name, ten digits and the end.
const LENGTH: usize = 32;

unsafe extern "C" {
    static environ: *const *const c_char;
}

/// The environment of the program.
pub(super) struct Environment {
    /// A pointer to each variable, and an end.
    variables: Vec<*const c_char>,
    naming: Vec<Naming>,
    /// The invocation's id, which the environment has a pointer to.
    _id: Option<CString>,
}

struct Naming {
    name: &'static [u8],
    variable: Box<[u8; LENGTH]>,
}

impl Environment {
    /// With places for the program's process id where this one's is, and naming the invocation for those within it.
    pub(super) fn of_program(id: Option<&EntryId>) -> Self {
        let parent = format!("{PARENT_INVOCATION_ID}=");
        // An id has no zero in it.
        let id = id.and_then(|id| CString::new(format!("{parent}{id}")).ok());
        let mut naming: Vec<Naming> = Vec::new();
        let mut variables = Vec::new();
        let mut also_naming = None;
        let this = getpid().to_string();
        // SAFETY: no other thread is there to change the environment, which is an array of texts that ends with null.
        let mut place = unsafe { environ };
        loop {
            // SAFETY: the end was not reached before this place.
            let variable = unsafe { place.as_ref() }.copied().unwrap_or(ptr::null());
            if variable.is_null() {
                break;
            }
            // SAFETY: each variable is a text.
            let text = unsafe { CStr::from_ptr(variable) }.to_bytes();
            let is_naming = |name: &&&[u8]| text.strip_prefix(**name) == Some(this.as_bytes());
            if let Some(name) = NAMING.iter().find(is_naming) {
                let variable = Box::new([0; LENGTH]);
                variables.push(variable.as_ptr().cast());
                naming.push(Naming { name, variable });
            } else if id.is_none() || !text.starts_with(parent.as_bytes()) {
                if text.starts_with(ALSO_NAMING) {
                    also_naming = Some(variables.len());
                }
                variables.push(variable);
            }
            place = place.wrapping_add(1);
        }
        if let Some(place) = also_naming
            && naming.iter().any(|naming| naming.name == NAMING[0])
        {
            variables.remove(place);
        }
        variables.extend(id.as_ref().map(|id| id.as_ptr()));
        variables.push(ptr::null());
        Self {
            variables,
            naming,
            _id: id,
        }
    }

    pub(super) fn pointer(&self) -> *const *const c_char {
        self.variables.as_ptr()
    }

    /// Writes the program's process id to its places. It allocates nothing.
    pub(super) fn name(&mut self, program: u32) {
        for Naming { name, variable } in &mut self.naming {
            let digits = 1 + program.checked_ilog10().unwrap_or(0) as usize;
            let (place, number) = variable.split_at_mut(name.len());
            place.copy_from_slice(name);
            let mut rest = program;
            for digit in number.iter_mut().take(digits).rev() {
                // A remainder by ten fits.
                *digit = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_id_is_written_in_full() {
        for program in [0, 1, 9, 10, 42_949, 4_194_304, u32::MAX] {
            let variable = Box::new([0; LENGTH]);
            let naming = vec![Naming {
                name: NAMING[1],
                variable,
            }];
            let mut environment = Environment {
                variables: Vec::new(),
                naming,
                _id: None,
            };
            environment.name(program);
            let written = CStr::from_bytes_until_nul(&*environment.naming[0].variable).unwrap();
            assert_eq!(written.to_str().unwrap(), format!("WATCHDOG_PID={program}"));
        }
    }
}
