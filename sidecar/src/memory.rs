//! What nobody else is to see of this process's memory, for as long as secrets are in it. That freed
//! memory is wiped is the allocator's doing, in `main.rs`.

use std::io;

use rustix::process::{Resource, Rlimit, setrlimit};

/// The variable that keeps [`seclude`] from being called, if it is `1`.
pub const ALLOW_CORE_DUMPS: &str = "MCP_AUTH_ALLOW_CORE_DUMPS";

/// From now on the kernel writes no core dump of this process, and debuggers of the same user may
/// neither attach to it nor read `/proc/PID/mem`; whoever has `CAP_SYS_PTRACE` may.
///
/// # Errors
/// The kernel's. A limit that is lower already is none.
pub fn seclude() -> io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    }
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::{DumpableBehavior, dumpable_behavior, getrlimit};

    use super::*;

    #[test]
    fn a_secluded_process_leaves_no_core_dump() {
        seclude().unwrap();
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
        assert_eq!(getrlimit(Resource::Core).maximum, Some(0));
    }
}
