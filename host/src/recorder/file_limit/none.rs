//! Systems without signals: a write beyond a limit is an error like any other.

pub(super) struct FileLimit;

impl FileLimit {
    pub(super) const fn outlive() -> Self {
        Self
    }
}

impl Drop for FileLimit {
    fn drop(&mut self) {}
}
