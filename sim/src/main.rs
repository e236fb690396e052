//! The `swarm-sim` binary; all of it is [`swarm_sim::cli`].

/// A run is a million small values that live for a moment; the system's allocator took a tenth of its time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    swarm_sim::cli::main()
}
