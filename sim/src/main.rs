//! The `swarm-sim` binary; all of it is [`swarm_sim::cli`].

fn main() -> std::process::ExitCode {
    swarm_sim::cli::main()
}
