//! The program as people run it: a real text counted, killed in the middle, misused.

#[path = "../../core/ports/tests/real_text/mod.rs"]
mod real_text;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use real_text::{by_pipeline, real_text};
use swarm_core::audit;
use swarm_core::genesis::Genesis;
use swarm_core::policy::{BaseRules, Only};
use swarm_policy::Library;

/// A folder with a text, its needs, and the swarm's data.
struct Place {
    dir: tempfile::TempDir,
    text: Vec<u8>,
}

impl Place {
    fn with(text: Vec<u8>, needs: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("text"), &text).unwrap();
        fs::write(dir.path().join("needs.jsonl"), needs).unwrap();
        Self { dir, text }
    }

    /// Some of the real text: enough for work that can be interrupted.
    fn small() -> Self {
        let mut text = real_text();
        text.truncate(600_000);
        Self::with(text, "{\"recipe\":\"wordcount\",\"parts\":3}\n")
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_swarm-live"));
        command.arg("up").env("NO_COLOR", "1").stdin(Stdio::null());
        command.arg("--needs").arg(self.dir.path().join("needs.jsonl"));
        command.arg("--input").arg(self.dir.path().join("text"));
        command.arg("--data").arg(self.data());
        command
    }

    fn run(&self) -> Output {
        self.command().args(["--timeout", "2m"]).output().unwrap()
    }

    fn start(&self) -> Child {
        self.command().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    fn log(&self, name: &str) -> PathBuf {
        self.data().join("audit").join(name)
    }

    /// All outputs are what the independent tool makes of the text, and there are `needs` of them.
    fn outputs_are_right(&self, needs: usize) {
        let wanted = by_pipeline(&self.text);
        let made: Vec<_> = fs::read_dir(self.data().join("out")).unwrap().map(|e| e.unwrap().path()).collect();
        assert_eq!(made.len(), needs);
        for folder in made {
            assert!(fs::read(folder.join("words")).unwrap() == wanted, "{}", folder.display());
        }
    }

    /// Every node's log replays, and no two disagree on the bytes of a result; coordinators have them all.
    fn logs_replay_alike(&self, tasks: usize) {
        let mut all = BTreeMap::new();
        for entry in fs::read_dir(self.data().join("audit")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let engines = Arc::new(Only(Arc::new(BaseRules::default())));
            let replayed =
                audit::replay(&fs::read(&path).unwrap(), engines).unwrap_or_else(|bad| panic!("{name}, {bad}"));
            assert!(replayed.closed, "{name}");
            if name.starts_with("coordinator") || name.starts_with("requester") {
                assert_eq!(replayed.finals.len(), tasks, "{name}");
            }
            for (result, bytes) in replayed.finals {
                let first = all.entry(result).or_insert_with(|| bytes.clone());
                assert_eq!(*first, bytes, "{name}");
            }
        }
        assert_eq!(all.len(), tasks);
    }
}

fn failed(output: &Output, code: i32, says: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    // The report wraps its lines.
    let flat: String = said.chars().filter(|c| !c.is_whitespace() && *c != '│').collect();
    for words in says {
        let words: String = words.chars().filter(|c| !c.is_whitespace()).collect();
        assert!(flat.contains(&words), "{words} is not in: {said}");
    }
}

#[test]
fn a_real_text_is_counted_by_the_swarm_as_by_the_independent_tool() {
    let needs =
        "{\"recipe\":\"wordcount\",\"parts\":4}\n{\"recipe\":\"wordcount\",\"parts\":1,\"class\":\"complex\"}\n";
    let place = Place::with(real_text(), needs);
    let output = place.run();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("2 of 2 needs closed, 14 tasks final"), "{said}");
    println!("{said}");
    place.outputs_are_right(2);
    place.logs_replay_alike(14);

    // Once more: everything is known already, and nothing changes.
    let again = place.run();
    assert_eq!(again.status.code(), Some(0), "{}", String::from_utf8_lossy(&again.stderr));
    place.outputs_are_right(2);
    place.logs_replay_alike(14);
}

/// Runs until `log` has grown by `bytes`, then kills without warning; false if the run ended before.
fn killed_after(place: &Place, log: &str, bytes: u64) -> bool {
    let path = place.log(log);
    let size = || fs::metadata(&path).map_or(0, |m| m.len());
    let before = size();
    let mut child = place.start();
    let end = Instant::now() + Duration::from_secs(120);
    loop {
        assert!(Instant::now() < end, "nothing happens");
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        if size() >= before + bytes {
            child.kill().unwrap();
            child.wait().unwrap();
            return true;
        }
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn t08_killed_again_and_again_it_goes_on_and_ends_with_the_same_words() {
    let place = Place::small();
    let mut kills = 0;
    // From the middle of the founding to the last settlement.
    for bytes in [0, 1, 40_000, 150_000, 7_000, 400_000, 90_000, 333_333, 600_000, 50_000] {
        kills += u32::from(killed_after(&place, "coordinator-0.jsonl", bytes));
    }
    assert!(kills >= 5, "only {kills} kills hit a running swarm");
    let output = place.run();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    place.outputs_are_right(1);
    place.logs_replay_alike(8);
}

#[test]
fn interrupted_it_closes_its_logs_and_can_go_on() {
    let place = Place::small();
    let child = place.start();
    let end = Instant::now() + Duration::from_secs(60);
    while fs::metadata(place.log("worker-0.jsonl")).map_or(0, |m| m.len()) < 60_000 {
        assert!(Instant::now() < end, "nothing happens");
        thread::sleep(Duration::from_millis(5));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let log = fs::read(place.log("worker-0.jsonl")).unwrap();
    assert!(audit::replay(&log, Arc::new(Only(Arc::new(BaseRules::default())))).unwrap().closed);
    assert_eq!(place.run().status.code(), Some(0));
    place.outputs_are_right(1);
}

/// Every node loads the capsule from the store and judges by it, also when it goes on.
#[test]
fn all_judge_by_the_policy_that_is_named() {
    let place = Place::with(b"one two one\n".to_vec(), "{\"recipe\":\"wordcount\",\"parts\":2}\n");
    let by = |policy: &str, time: &str| place.command().args(["--timeout", time, "--policy", policy]).output().unwrap();
    let file = |name: &str| place.dir.path().join(name).to_string_lossy().into_owned();
    failed(&by("none", "2m"), 64, &["no policy"]);
    failed(&by(&file("no.capsule"), "2m"), 69, &["no.capsule"]);
    fs::write(file("bad.capsule"), "allow all").unwrap();
    failed(&by(&file("bad.capsule"), "2m"), 65, &["bad.capsule", "is no policy"]);
    assert!(!place.data().exists(), "nothing is written before that");

    fs::write(file("base.capsule"), swarm_policy::BASE).unwrap();
    failed(&by(&file("base.capsule"), "1ms"), 3, &["time is up"]);
    failed(&place.run(), 65, &["another policy"]);
    // The same rules by another name are the same rules.
    let output = by("rego", "2m");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    place.outputs_are_right(1);
    let library = Arc::new(Library::default());
    let base = library.load(swarm_policy::BASE).unwrap();
    let genesis: Genesis = serde_json::from_slice(&fs::read(place.data().join("genesis.json")).unwrap()).unwrap();
    assert_eq!((genesis.engine, genesis.capsule), (base.engine(), base.capsule()));
    let log = fs::read(place.log("coordinator-0.jsonl")).unwrap();
    assert!(audit::replay(&log, library).unwrap().closed);
}

#[test]
fn too_little_time_is_no_liveness() {
    let place = Place::small();
    failed(&place.command().args(["--timeout", "1ms"]).output().unwrap(), 3, &["time is up"]);
}

#[test]
fn a_command_line_that_means_nothing_is_usage() {
    let program = || Command::new(env!("CARGO_BIN_EXE_swarm-live"));
    failed(&program().output().unwrap(), 64, &["Usage"]);
    failed(&program().args(["up", "--needs", "x"]).output().unwrap(), 64, &["--input", "--data"]);
    let place = Place::with(b"a\n".to_vec(), "{}");
    failed(&place.command().args(["--verifiers", "2"]).output().unwrap(), 64, &["6..=64"]);
    failed(&place.command().args(["--timeout", "soon"]).output().unwrap(), 64, &["--timeout"]);
    assert_eq!(program().arg("--help").output().unwrap().status.code(), Some(0));
}

#[test]
fn bad_input_is_named_before_anything_is_written() {
    let text = || b"some words\n".to_vec();
    let good = "{\"recipe\":\"wordcount\",\"parts\":2}\n";
    let place = Place::with(text(), good);
    fs::remove_file(place.dir.path().join("needs.jsonl")).unwrap();
    failed(&place.run(), 65, &["needs.jsonl"]);
    let place = Place::with(text(), good);
    fs::remove_file(place.dir.path().join("text")).unwrap();
    failed(&place.run(), 65, &["no such file or folder"]);
    for (needs, says) in [
        ("", "holds no need"),
        ("{\"recipe\":\"poem\"}\n", "poem"),
        ("{\"recipe\":\"wordcount\",\"parts\":0}\n", "0 parts"),
        ("{\"recipe\":\"wordcount\",\"parts\":100}\n", "100 parts"),
        ("{\"recipe\":\"wordcount\",\"budget\":\"2000000\"}\n", "class simple has at most 1000000"),
        ("{\"recipe\":\"wordcount\",\"fee\":\"11\"}\n", "class simple has at most 10"),
        ("{\"recipe\":\"wordcount\",\"more\":1}\n", "more"),
    ] {
        let place = Place::with(text(), needs);
        failed(&place.run(), 65, &[says]);
        assert!(!place.data().exists(), "{needs}");
    }
}

#[test]
fn a_folder_of_something_else_another_job_or_another_version_is_refused_unchanged() {
    let foreign = Place::with(b"a b\n".to_vec(), "{\"recipe\":\"wordcount\",\"parts\":1}\n");
    fs::create_dir(foreign.data()).unwrap();
    fs::write(foreign.data().join("letter"), "dear").unwrap();
    failed(&foreign.run(), 65, &["holds letter"]);
    assert_eq!(fs::read_dir(foreign.data()).unwrap().count(), 1);

    let place = Place::with(b"a b\n".to_vec(), "{\"recipe\":\"wordcount\",\"parts\":1}\n");
    let timed_out = place.command().args(["--timeout", "300ms"]).output().unwrap();
    assert_eq!(timed_out.status.code(), Some(3));
    failed(&place.command().args(["--workers", "5"]).output().unwrap(), 65, &["another number of workers"]);
    fs::write(place.dir.path().join("text"), "other\n").unwrap();
    failed(&place.run(), 65, &["another input"]);
    fs::write(place.dir.path().join("text"), "a b\n").unwrap();
    fs::write(place.dir.path().join("needs.jsonl"), "{\"recipe\":\"wordcount\",\"parts\":2}\n").unwrap();
    failed(&place.run(), 65, &["another needs file"]);
    fs::write(place.dir.path().join("needs.jsonl"), "{\"recipe\":\"wordcount\",\"parts\":1}\n").unwrap();

    // A log that somebody improved, one that is gone, and a register that lost what was applied.
    let (log, register) = (place.log("planner-0.jsonl"), place.data().join("register"));
    let whole = fs::read_to_string(&log).unwrap();
    let member = place.log("coordinator-0.jsonl");
    let older = (fs::read(&register).unwrap(), fs::read(&member).unwrap());
    fs::write(&log, whole.replacen("\"wall\":\"1", "\"wall\":\"2", 1)).unwrap();
    failed(&place.run(), 65, &["planner-0.jsonl, line 2"]);
    fs::remove_file(&log).unwrap();
    failed(&place.run(), 75, &["audit log is gone"]);
    fs::write(&log, &whole).unwrap();
    let begun = place.data().join("swarm.json");
    let text = fs::read_to_string(&begun).unwrap();
    let other = text.replace("\"format\":2", "\"format\":9,\"more\":1");
    assert_ne!(other, text, "the format is written another way");
    fs::write(&begun, other).unwrap();
    failed(&place.run(), 65, &["format 9"]);
    fs::write(&begun, &text).unwrap();
    assert_eq!(place.run().status.code(), Some(0));
    for store in ["register", "bus", "artifacts"] {
        let (here, away) = (place.data().join(store), place.dir.path().join(store));
        fs::rename(&here, &away).unwrap();
        failed(&place.run(), 75, &[store, "is gone"]);
        fs::rename(&away, &here).unwrap();
    }
    // Stores and logs put back from older copies.
    let newest = fs::read(&register).unwrap();
    fs::write(&register, older.0).unwrap();
    failed(&place.run(), 75, &["has applied"]);
    fs::write(&register, newest).unwrap();
    fs::write(&member, older.1).unwrap();
    failed(&place.run(), 75, &["coordinator-0.jsonl", "is older than what coordinator-0 said"]);
}

#[test]
fn keys_are_for_their_owner_alone() {
    let place = Place::with(b"a b\n".to_vec(), "{\"recipe\":\"wordcount\",\"parts\":1}\n");
    place.command().args(["--timeout", "1ms"]).output().unwrap();
    let mut keys = 0;
    for entry in fs::read_dir(place.data().join("keys")).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
        let secret = fs::read_to_string(&path).unwrap();
        for log in fs::read_dir(place.data().join("audit")).unwrap() {
            assert!(!fs::read_to_string(log.unwrap().path()).unwrap().contains(secret.trim_end()));
        }
        keys += 1;
    }
    assert_eq!(keys, 3 + 1 + 2 + 4 + 9);
}

#[test]
fn a_folder_that_cannot_be_written_or_is_taken_is_named() {
    let place = Place::with(b"a b\n".to_vec(), "{\"recipe\":\"wordcount\",\"parts\":1}\n");
    // Not even root can make a folder below a file.
    let file = place.dir.path().join("text");
    let below = |data: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_swarm-live"));
        command.arg("up").arg("--needs").arg(place.dir.path().join("needs.jsonl")).arg("--input").arg(&file);
        command.arg("--data").arg(data).output().unwrap()
    };
    failed(&below(&file.join("data")), 69, &["cannot be written"]);
    fs::create_dir(place.data()).unwrap();
    fs::set_permissions(place.data(), fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(place.data().join("probe"), "").is_err() {
        failed(&place.run(), 69, &["cannot be written"]);
    } else {
        // Root may write everywhere.
        fs::remove_file(place.data().join("probe")).unwrap();
    }
    fs::set_permissions(place.data(), fs::Permissions::from_mode(0o755)).unwrap();

    let mut first = place.start();
    while !place.log("requester-0.jsonl").exists() {
        thread::sleep(Duration::from_millis(5));
    }
    failed(&place.run(), 69, &["another process holds it"]);
    first.kill().unwrap();
    first.wait().unwrap();
}
