//! Interrupts a guest that computes past its deadline.

use wasmtime::Engine;

use crate::process::timer::{Alarm, Timer};

/// An alarm that advances the engine's epoch.
///
/// Async timeouts end a guest that waits in the host, but never one that computes: that one is interrupted
/// from another thread.
pub(super) fn interrupting(engine: Engine, timer: &Timer) -> Alarm {
    timer.alarm(move || engine.increment_epoch())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use wasmtime::{Instance, Module, Store, Trap};

    use super::super::engine;
    use super::*;
    use crate::domain::Deadline;

    #[test]
    fn each_batch_is_interrupted_at_its_own_deadline() {
        const LATER: Duration = Duration::from_hours(1);
        const SOON: Duration = Duration::from_millis(20);
        let how = engine::Compilation::new(engine::AddressSpace::Ample);
        let engine = engine::compiling(engine::EngineKind::Sync, how).unwrap();
        let wat = r#"(module (func (export "compute") (loop br 0)))"#;
        let module = Module::new(&engine, wat::parse_str(wat).unwrap()).unwrap();
        let timer = Timer::default();
        let alarm = interrupting(engine.clone(), &timer);
        for limit in [SOON, LATER, SOON, SOON, LATER, LATER, SOON] {
            let mut store = Store::new(&engine, ());
            store.set_epoch_deadline(1);
            alarm.set(Deadline::after(limit)).unwrap();
            if limit == SOON {
                let instance = Instance::new(&mut store, &module, &[]).unwrap();
                let compute = instance.get_typed_func::<(), ()>(&mut store, "compute");
                let ended = compute.unwrap().call(&mut store, ());
                let trap: Trap = ended.unwrap_err().downcast().unwrap();
                assert_eq!(trap, Trap::Interrupt);
            }
            alarm.clear();
        }
    }
}
