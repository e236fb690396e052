//! What the lint says, word for word, for each kind of mistake. One line per finding: level, code,
//! line and column, what is wrong, and after the arrow how to mend it.

use std::path::Path;
use swarm_scenarios::{Code, Level, Needs, Report, lint, load_text};

fn told(report: &Report) -> String {
    let line = |f: &swarm_scenarios::Finding| {
        let level = if f.level == Level::Error { "error" } else { "warning" };
        format!("{level} {} {}:{} {} => {}", f.code, f.line, f.column, f.what, f.mend)
    };
    report.findings().map(line).collect::<Vec<_>>().join("\n")
}

/// Lints a text as if it stood in `case.toml`; a clean text gives nothing.
fn check(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("case.toml");
    std::fs::write(&path, text).unwrap();
    told(&lint(&path)).replace(&folder.path().display().to_string(), "DIR")
}

fn check_needs(text: &str) -> String {
    Needs::parse("needs.jsonl", text).map_or_else(|failure| told(&failure.report), |_| String::new())
}

#[test]
fn several_mistakes_are_told_at_once() {
    insta::assert_snapshot!(check(r#"
techs = "x"
[cluster]
coordinatros = 3
workers = "four"
loss_ppm = 5
[network]
delay = ["20ms", "1ms"]
[phases]
fault = 5
"#), @r##"
        error missing-key 1:1 the key `teaches` is missing => add `teaches = "one line on what the scenario teaches"`
        error unknown-key 2:1 `techs` is no key of a scenario => did you mean `teaches`?
        error unknown-key 4:1 `coordinatros` is no key of `cluster` => did you mean `coordinators`?
        error wrong-type 5:11 string "four" cannot stand here => write a whole number from 1 to 10000
        error unknown-key 6:1 `loss_ppm` is no key of `cluster` => it belongs to `[network]`
        error inverted-range 8:9 the range runs backwards => write the smaller value first
        error wrong-type 10:9 integer `5` cannot stand here => write a duration such as "150ms", "30s" or "1h 30m"
        "##);
}

#[test]
fn a_scenario_must_say_what_it_teaches() {
    insta::assert_snapshot!(check(r#"
name = "Bad Name"
"#), @r##"
        error missing-key 1:1 the key `teaches` is missing => add `teaches = "one line on what the scenario teaches"`
        error bad-name 2:1 `Bad Name` is no name of a scenario => use at most 64 of a-z, 0-9 and `-`: it names files and reports
        "##);
}

#[test]
fn broken_syntax_is_shown_where_it_is() {
    insta::assert_snapshot!(check(r#"
teaches = "t"
[cluster
workers = 4
seed = = 3
"#), @r##"
        error syntax 3:9 unclosed table, expected `]` => see the line shown; quotes, brackets and `=` are the usual suspects
        error syntax 5:8 extra `=`, expected nothing => see the line shown; quotes, brackets and `=` are the usual suspects
        error syntax 5:10 unexpected key or value, expected newline, `#` => see the line shown; quotes, brackets and `=` are the usual suspects
        "##);
}

#[test]
fn a_key_cannot_be_given_twice() {
    insta::assert_snapshot!(check(r#"
teaches = "t"
seed = 1
seed = 2
"#), @"error syntax 4:1 duplicate key => take one of the two out");
}

#[test]
fn huge_and_negative_numbers_are_refused() {
    insta::assert_snapshot!(check(r#"
teaches = "t"
seed = 99999999999999999999999
"#), @"error out-of-range 3:8 the number 99999999999999999999999 does not fit => write a whole number from 0 to 18446744073709551615");
}

#[test]
fn the_greatest_seed_is_the_one_that_is_named() {
    let told = |seed: &str| check(&format!("teaches = \"t\"\nseed = {seed}\n"));
    assert_eq!(told("18446744073709551615"), "");
    let said = "18446744073709551615";
    assert!(told("18446744073709551616").contains(&format!("does not fit => write a whole number from 0 to {said}")));
    let huge = told(&"9".repeat(60));
    assert!(huge.contains("error out-of-range 2:8") && huge.contains(said), "{huge}");
}

#[test]
fn numbers_beyond_their_type_are_refused() {
    insta::assert_snapshot!(check(r#"
teaches = "t"
seed = -1
[cluster]
workers = 4294967296
verifiers = 1.5
[network]
loss_ppm = 1_000_000
[clocks]
drift_ppm = [-900_000, 0]
"#), @r##"
        error out-of-range 3:8 the number -1 does not fit => write a whole number from 0 to 18446744073709551615
        error out-of-range 5:11 the number 4294967296 does not fit => write a whole number from 1 to 10000
        error wrong-type 6:13 floating point `1.5` cannot stand here => write a whole number from 1 to 10000
        error out-of-range 8:1 `loss_ppm` is 1000000 => write a number from 0 to 500000
        error out-of-range 10:1 such a clock is broken => write numbers from -100000 to 100000
        "##);
}

#[test]
fn durations_have_a_unit_and_an_end() {
    insta::assert_snapshot!(check(r#"
teaches = "t"
[protocol]
lease = "300"
bids = "-3s"
verify = "99999y"
decision = "soon"
reveal = "5 (minuts)"
proposals = "5 minuts"
challenge = "60d"
"#), @r##"
        error bad-duration 4:9 `300` is no duration: it has no unit => write numbers with the units d, h, m, s, ms, us or ns, such as "150ms", "30s" or "1h 30m"
        error bad-duration 5:8 `-3s` is no duration => write numbers with the units d, h, m, s, ms, us or ns, such as "150ms", "30s" or "1h 30m"
        error out-of-range 6:10 `99999y` is longer than 366 days => name a shorter one
        error bad-duration 7:12 `soon` is no duration => write numbers with the units d, h, m, s, ms, us or ns, such as "150ms", "30s" or "1h 30m"
        error bad-duration 8:10 `5 (minuts)` is no duration => write numbers with the units d, h, m, s, ms, us or ns, such as "150ms", "30s" or "1h 30m"
        error bad-duration 9:13 `5 minuts` is no duration: `minuts` is no unit of time => write numbers with the units d, h, m, s, ms, us or ns, such as "150ms", "30s" or "1h 30m"
        error out-of-range 10:1 a window of 60d => write a duration from 1m to 30d
        error settle-too-short 10:1 after the faults the last need takes at least 120d 3m, `settle` is 3d => lengthen `settle`, or shorten `challenge` in `[protocol]` (it runs twice)
        "##);
}

#[test]
fn an_even_register_and_too_many_liars() {
    insta::assert_snapshot!(check(r#"
teaches = "t"
[cluster]
coordinators = 4
liars_max = 2
"#), @r##"
        error even-coordinators 4:1 4 coordinators tolerate no more losses than 3 do => write 3 or 5
        error impossible-quorum 5:1 an entry is believed with 4 of 4 signatures, but 2 coordinators may lie => write `coordinators = 7` or more, or `liars_max = 1`
        "##);
}

#[test]
fn more_votes_than_verifiers() {
    insta::assert_snapshot!(check(r#"
teaches = "t"
[cluster]
verifiers = 4
[protocol]
k_plan = 2
k_result = 5
"#), @r##"
        error impossible-quorum 7:1 `k_result` is 5, but there are only 4 verifiers => write 4 or less, or add verifiers
        warning clamped-quorum 6:1 `k_plan` is clamped to 1 by the size of the pool => add verifiers up to 7, raise `alpha_bp`, or write less
        "##);
}

#[test]
fn a_written_target_that_the_pool_clamps() {
    insta::assert_snapshot!(check(r#"
teaches = "t"
[protocol]
k_result = 5
"#), @"warning clamped-quorum 4:1 `k_result` is clamped to 3 by the size of the pool => add verifiers up to 17, raise `alpha_bp`, or write less");
}

#[test]
fn a_committee_that_no_caps_allow() {
    insta::assert_snapshot!(check(r#"
teaches = "t"
[cluster]
bootstrap = false
verifiers = 12
orgs = 3
"#), @r##"
        error impossible-committee 6:1 8 plan voters cannot be seated under the cap per org => spread the agents over more of `orgs`, or add verifiers
        error impossible-committee 6:1 no committee of 3 and 2 spare can be seated under the cap per org => spread the agents over more of `orgs`, or add verifiers
        "##);
}

#[test]
fn a_committee_that_some_workers_leave_too_few_for() {
    insta::assert_snapshot!(check(r#"
teaches = "t"
[cluster]
bootstrap = false
workers = 7
verifiers = 10
orgs = 6
asns = 6
"#), @"warning narrow-committee 7:1 for 12 of 14 pairs of worker and planner no committee of 3 and 2 spare can be seated under the cap per org => spread the agents over more of `orgs`, or add verifiers");
}

/// Nobody offers a plan that takes longer than its need may.
#[test]
fn work_that_no_need_has_time_for() {
    let text =
        |work: &str| check(&format!("teaches = \"t\"\n[workload]\nwork = \"{work}\"\n[protocol]\nlease = \"5m\"\n"));
    assert_eq!(text("10m"), "");
    let told = text("11m");
    assert!(
        told.starts_with("error out-of-range 3:1 a task of 11m in a need that has to be done in 10m => "),
        "{told}"
    );
}

/// Where nobody looks at what was judged, whoever passes everything earns as much and does nothing for it.
#[test]
fn laziness_that_nobody_sees() {
    let text = |lie: &str, watch: u32| {
        let liars = format!("[[adversaries]]\nstrategy = \"{lie}\"\ncount = 2\n");
        check(&format!(
            "teaches = \"t\"\n[cluster]\nverifiers = 14\norgs = 14\n{liars}[protocol]\nwatch_bp = {watch}\n"
        ))
    };
    for lazy in ["always-pass", "lazy-attester"] {
        let told = text(lazy, 0);
        assert!(told.starts_with("warning lying-pays 5:1 nobody looks at what was judged, so `"), "{told}");
        assert_eq!(text(lazy, 1), "");
    }
    assert_eq!(text("always-fail", 0), "", "that one is seen");
}

#[test]
fn a_small_pool_is_in_bootstrap() {
    insta::assert_snapshot!(check(r#"
teaches = "t"
[cluster]
bootstrap = false
verifiers = 9
"#), @"error still-bootstrap 4:1 a pool of 9 verifiers is in bootstrap whatever its age => write `bootstrap = true` or at least 10 verifiers");
}

#[test]
fn nobody_to_do_it() {
    insta::assert_snapshot!(check(r#"
teaches = "t"
[cluster]
workers = 0
stake = 10
"#), @r##"
        error out-of-range 4:1 `workers` is 0 => write a number from 1 to 10000
        error out-of-range 5:1 `stake` is 10 => write a number from 1000 to 1000000000000
        "##);
}

#[test]
fn a_fault_after_the_end() {
    insta::assert_snapshot!(check(r#"
teaches = "t"
[phases]
fault = "2m"
[[faults]]
kind = "loss"
at = ["10s", "90s"]
for = "1m"
ppm = 1000
[[faults]]
kind = "partition-halves"
at = "3m"
for = "1s"
[[faults]]
kind = "loss"
for = "forever"
ppm = 1000
"#), @r##"
        error fault-after-end 8:1 the fault may last until 2m 30s, the fault phase ends after 2m => begin and end it within `fault = "2m"` of `[phases]`, or lengthen that
        error fault-after-end 12:1 the fault may last until 3m 1s, the fault phase ends after 2m => begin and end it within `fault = "2m"` of `[phases]`, or lengthen that
        error fault-after-end 16:1 `loss` must end, or nothing could heal => write a duration; only `silent-worker` and `slow-verifier` may last forever
        "##);
}

#[test]
fn faults_that_aim_at_nobody() {
    insta::assert_snapshot!(check(r#"
teaches = "t"
[[faults]]
kind = "silent-worker"
who = "worker:4"
for = "1m"
[[faults]]
kind = "slow-verifier"
who = "worker:0"
for = "1m"
factor = 2
[[faults]]
kind = "partition-isolate"
who = "boss"
for = "1m"
[[faults]]
kind = "skew"
who = "store"
offset = "1s"
for = "1m"
"#), @r##"
        error no-such-target 5:1 `worker:4` does not exist: the cluster has 4 of them => count from 0, or use `random`
        error bad-target 9:1 `slow-verifier` cannot hit `worker:0` => aim at `verifier:random`, `verifier:all` or `verifier:0`
        error bad-target 14:7 `boss` names no target => write `all`, `bus`, `register`, `store`, or a role and a pick: `worker:0`, `verifier:random`, `coordinator:all`
        error bad-target 18:1 `store` decides nothing by its clock => aim at coordinators or agents
        "##);
}

#[test]
fn faults_with_the_wrong_keys() {
    insta::assert_snapshot!(check(r#"
teaches = "t"
[[faults]]
kind = "los"
for = "1m"
[[faults]]
kind = "loss"
who = "worker:0"
for = "1m"
[[faults]]
kind = "partition-halves"
ppm = 5
for = "1m"
[[faults]]
kind = "skew"
who = "all"
"#), @r##"
        error unknown-value 4:8 `los` is not known here => did you mean `loss`?
        error missing-key 6:1 `loss` needs `ppm` => add `ppm = 50000`
        error misplaced-key 8:1 `loss` takes no `who` => besides `at`, `for` and `count` it takes `ppm`, `from`, `to`
        error misplaced-key 12:1 `partition-halves` takes no `ppm` => it takes only `at`, `for` and `count`
        error missing-key 14:1 the key `for` is missing => add `for = "30s"`, or a range
        error missing-key 14:1 `skew` needs `offset` or `drift_ppm` => add `offset = "5s"`
        "##);
}

#[test]
fn faults_that_never_bite() {
    insta::assert_snapshot!(check(r#"
teaches = "t"
[[faults]]
kind = "loss"
ppm = 0
for = "0s"
count = 0
[[faults]]
kind = "loss"
ppm = 2_000_000
for = "1s"
count = 1000
"#), @r##"
        error vacuous 5:1 a fault that hits nothing => write at least 1
        error vacuous 6:1 a fault of no length hits nothing => write a longer duration
        error vacuous 7:1 a fault that occurs no times => write at least 1, or take it out
        error out-of-range 10:1 `ppm` is 2000000 => write a number from 0 to 1000000
        error out-of-range 12:1 `count` is 1000 => write a number from 0 to 100
        "##);
}

#[test]
fn every_worker_silent_for_good() {
    insta::assert_snapshot!(check(r#"
teaches = "t"
[cluster]
workers = 2
[[faults]]
kind = "silent-worker"
who = "worker:random"
for = "forever"
count = 2
"#), @"error nobody-left 7:1 all 2 workers may fall silent for good => add workers, or give the silence an end");
}

#[test]
fn too_little_time() {
    insta::assert_snapshot!(check(r#"
teaches = "t"
[limits]
duration = "1h"
[protocol]
heartbeat = "2m"
lease = "30s"
[phases]
settle = "1h"
[bus]
ack_wait = "1ms"
"#), @r##"
        error past-limit 4:1 the phases take 1h 6m, but the run is stopped after 1h => write `duration = "1h 6m"` in `[limits]` or shorten a phase
        error heartbeat-too-slow 6:1 a heartbeat every 2m cannot renew a lease of 30s each third of it => write "10s" or less
        error out-of-range 7:1 a window of 30s => write a duration from 1m to 30d
        error settle-too-short 9:1 after the faults the last need takes at least 2d 3m, `settle` is 1h => lengthen `settle`, or shorten `challenge` in `[protocol]` (it runs twice)
        error out-of-range 11:1 the bus delivers again after 1ms, before an acknowledgement can be back => write at least "80ms"
        "##);
}

#[test]
fn needs_that_cannot_be_paid_for() {
    insta::assert_snapshot!(check(r#"
teaches = "t"
[cluster]
balance = 100
[workload]
class = "simple"
fee = 50
budget = 2
tasks = 3
"#), @r##"
        error balance-too-small 4:1 a requester reserves up to 3156 credits, it holds 100 => write `balance = 3156` in `[cluster]`, or smaller budgets
        error fee-above-cap 7:1 a fee of 50 in class `simple` => write at most 10 or raise the class
        error budget-too-small 8:1 a budget of 2 for 3 tasks => each task costs at least one credit: write 3 or more
        "##);
}

#[test]
fn nothing_to_check() {
    insta::assert_snapshot!(check(r#"
teaches = "t"
[workload]
needs = 0
cancel_bp = 10_000
[properties]
check = []
ends = []
"#), @r##"
        error vacuous 4:1 without a need nothing is checked => write at least 1
        error vacuous 5:1 every need would be cancelled, none would be finished => write less than 10000
        error vacuous 7:1 no property would be checked => list at least one, or leave the key out to check them all
        error vacuous 8:1 no need could end rightly => list at least one, or leave the key out: then needs must be `closed`
        "##);
}

#[test]
fn an_end_that_is_made_and_not_allowed() {
    insta::assert_snapshot!(check(r#"
teaches = "t"
[cluster]
balance = 1_000_000_000_000
[workload]
cancel_bp = 100
[protocol]
bids = "1500us"
reveal = "10ms 1us"
"#), @r##"
        error out-of-range 4:1 20 agents hold 20000000200000 credits, the supply is 1000000000000 => write smaller balances or stakes
        error conflicting-keys 6:1 needs are cancelled, but that is not among the ends that are right => write `ends = ["closed", "cancelled"]` in `[properties]`
        error out-of-range 8:1 a window of 1ms 500us => write a duration from 10ms to 30d
        error out-of-range 9:1 a window of 10ms 1us => windows count whole milliseconds
        "##);
}

#[test]
fn names_that_stand_twice_or_nowhere() {
    insta::assert_snapshot!(check(r#"
teaches = "t"
[properties]
check = ["P1", "P1", "P7"]
sometimes = ["need-setled", "lease-expired", "lease-expired"]
"#), @r##"
        error unknown-value 4:22 `P7` is not known here => known: `P1`, `P2`, `P3`, `P4`, `P5`, `P6`, `P9`, `P10`, `liveness`, `policy`, `model`, `decoys`
        error unknown-mark 5:14 `need-setled` is no mark => did you mean `need-settled`?
        error duplicate-name 5:46 `lease-expired` stands here twice => take one out
        "##);
}

#[test]
fn real_and_made_up_needs_at_once() {
    insta::assert_snapshot!(check(r#"
teaches = "t"
[workload]
needs_file = "nowhere.jsonl"
needs = 3
recipe = "chian"
"#), @r##"
        error missing-needs-file 4:1 there is no needs file DIR/nowhere.jsonl => the path is relative to the scenario file
        error conflicting-keys 5:1 `needs` makes needs up, `needs_file` brings real ones => take one of the two out
        error unknown-value 6:10 `chian` is not known here => did you mean `chain`?
        "##);
}

#[test]
fn comings_and_goings() {
    insta::assert_snapshot!(check(r#"
teaches = "t"
[cluster]
workers = 2
[[workload.joiner]]
role = "planner"
at = "1m"
[[workload.joiner]]
role = "worker"
at = "200d"
count = 0
[[workload.leaver]]
who = "worker:all"
at = "1m"
[[workload.leaver]]
who = "bus"
at = "1m"
"#), @r##"
        error unknown-value 6:8 `planner` is not known here => known: `worker`, `verifier`
        error no-effect 10:1 200d is after the end of the run, 3d 6m => name an earlier time
        error out-of-range 11:1 `count` is 0 => write a number from 1 to 100
        error nobody-left 13:1 with this the last worker leaves => let somebody stay
        error bad-target 16:1 `bus` cannot leave => only workers and verifiers can: `worker:0`, `verifier:random`
        "##);
}

#[test]
fn needs_with_mistakes_name_every_line() {
    insta::assert_snapshot!(check_needs(r#"{"recipe":"wordcount","parts":4,"budget":"1000","class":"complex"}

{"recipe":"wordcuont"}
{"recipe":"wordcount","prats":4}
{"recipe":"wordcount","parts":0}
{"recipe":"wordcount","parts":-1}
{"recipe":"wordcount","budget":1000}
{"recipe":"wordcount","budget":9007199254740992}
{"recipe":"wordcount","budget":-5}
{"recipe":"wordcount","budget":"01"}
{"recipe":"wordcount","parts":4,"budget":"3"}
{"recipe":"wordcount","fee":"500","class":"simple"}
{"parts":4}
{"recipe":"wordcount"
[1]
{"recipe":"wordcount","parts":4,"parts":5}
"#), @r##"
        error unknown-value 3:11 `wordcuont` is not known here => did you mean `wordcount`?
        error unknown-key 4:23 `prats` is no key of this table => did you mean `parts`?
        error out-of-range 5:23 0 parts => write a number from 1 to 64
        error out-of-range 6:31 the number -1 does not fit => write a whole number from 0 to 4294967295
        error bad-amount 8:32 9007199254740992 may lose digits on its way => write "9007199254740992"
        error wrong-type 9:32 integer `-5` cannot stand here => write whole credits such as 1000 or "1000"
        error bad-amount 10:32 `01` is no amount => write whole credits, without sign or leading zeros: 1000 or "1000"
        error budget-too-small 11:33 a budget of 3 for 10 tasks => each task costs at least one credit: write 10 or more
        error fee-above-cap 12:23 a fee of 500 in class simple => write at most 10 or raise the class
        error missing-key 13:1 the key `recipe` is missing => a line holds at least what {"recipe":"wordcount","parts":4} holds
        error syntax 14:1 EOF while parsing an object => write one JSON object a line, such as {"recipe":"wordcount","parts":4}
        error syntax 15:2 expected value => write one JSON object a line, such as {"recipe":"wordcount","parts":4}
        error syntax 16:33 duplicate field `parts` => take one of the two out
        "##);
}

#[test]
fn what_stands_without_its_name_is_refused() {
    let told = check("teaches = \"t\"\n[network]\ndelay = [\"1ms\", \"2ms\", \"3ms\"]\n");
    let range = "error wrong-type 3:9 a range of more than two values => write the least and the greatest";
    assert_eq!(told, range);
    for text in [
        "workload = [1, \"single\"]\n",
        "phases = [\"5m\"]\n",
        "faults = [[\"loss\"]]\n",
        "[workload]\njoiner = [[\"worker\", \"5s\"]]\n",
        "[[faults]]\nkind = \"loss\"\nppm = [1, 2, 3]\n",
    ] {
        let told = check(&format!("teaches = \"t\"\n{text}"));
        let said = ["lists values without their names => write a table", "a range of more than two values"];
        assert!(told.contains("error wrong-type") && said.iter().any(|said| told.contains(said)), "{text}: {told}");
    }
}

#[test]
fn a_fan_has_two_ends_and_something_between() {
    for recipe in ["fan", "diamond"] {
        let text = |tasks: u32| {
            format!("teaches = \"t\"\n[workload]\nrecipe = \"{recipe}\"\ntasks = {tasks}\nbudget = {tasks}\n")
        };
        for tasks in [1, 2] {
            let told = check(&text(tasks));
            assert!(told.contains(&format!("a budget of {tasks} for 3 tasks")), "{told}");
        }
        assert_eq!(check(&text(3)), "");
    }
}

#[test]
fn a_clock_that_only_its_wall_shows_wrong_changes_nothing() {
    let text = |offset: &str| {
        format!(
            "teaches = \"t\"\n[[faults]]\nkind = \"clock-jump\"\nwho = \"coordinator:0\"\noffset = {offset}\nfor = \"1m\"\n"
        )
    };
    for offset in ["\"-5s\"", "\"1ns\"", "[\"-2h\", \"999us\"]"] {
        assert!(check(&text(offset)).contains("error vacuous 5:1 a clock that neither jumps ahead"), "{offset}");
    }
    for offset in ["\"1ms\"", "[\"-2h\", \"2h\"]"] {
        assert_eq!(check(&text(offset)), "", "{offset}");
    }
}

#[test]
fn nothing_of_a_file_reaches_a_terminal_that_it_might_obey() {
    let text = "teaches = \"t\"\n# \u{1b}[2J\u{9b}1m\n\"no\\u001bkey\" = 1\n";
    let report = load_text(Path::new("a\u{7}.toml"), text).unwrap_err().report;
    assert!(!report.errors.is_empty());
    for finding in report.errors {
        let shown = format!("{finding} {:?}", miette::Report::new(finding.clone()));
        let obeyed = |c: char| c.is_control() && c != '\n';
        // The report's own colours are not the file's.
        assert!(!shown.replace("\u{1b}[", "").contains(obeyed) && !shown.contains("[2J\u{9b}"), "{shown:?}");
        assert!(
            !shown.contains("\u{1b}[2J") && !shown.contains('\u{7}') && !shown.contains("no\u{1b}key"),
            "{shown:?}"
        );
    }
}

#[test]
fn what_nothing_brings_about_cannot_come_true() {
    insta::assert_snapshot!(check(r#"
teaches = "t"
[properties]
ends = ["closed", "cancelled"]
sometimes = ["clock-jumped", "task-refused", "message-redelivered", "partition-healed", "outbid", "agent-left"]
"#), @r##"
        warning no-effect 4:19 no need is ever cancelled => write `cancel_bp = 2_000` in `[workload]`, or take `cancelled` out
        warning no-effect 5:14 nothing in this scenario can bring `clock-jumped` about => add a fault `clock-jump`, or `skew` with an `offset`
        warning no-effect 5:30 nothing in this scenario can bring `task-refused` about => add `refuse_bp` in `[workload]`
        warning no-effect 5:46 nothing in this scenario can bring `message-redelivered` about => add `redeliver_ppm` in `[bus]`, `loss_ppm` in `[network]`, or a fault such as `bus-redeliver`
        warning no-effect 5:69 nothing in this scenario can bring `partition-healed` about => add a fault such as `partition-halves`
        warning no-effect 5:99 nothing in this scenario can bring `agent-left` about => add a `[[workload.leaver]]`
        "##);
    let caused = r#"
teaches = "t"
[workload]
cancel_bp = 2_000
refuse_bp = 1
yield_bp = 1
[[workload.joiner]]
role = "worker"
at = "5s"
[[workload.leaver]]
who = "worker:0"
at = "5s"
[[faults]]
kind = "skew"
who = "all"
offset = "5s"
for = "1m"
[[faults]]
kind = "partition-halves"
for = "1m"
[properties]
ends = ["closed", "cancelled"]
sometimes = [
    "agent-joined", "agent-left", "clock-jumped", "message-redelivered", "need-cancelled", "partition-healed",
    "task-refused", "task-yielded",
]
"#;
    assert_eq!(check(caused), "");
}

#[test]
fn a_mistake_is_shown_at_the_key_that_made_it() {
    insta::assert_snapshot!(check(r#"
teaches = "t"
[cluster]
verifiers = 4
[workload]
class = "simple"
fee = 11
budget = 200_000
[network]
delay = "20s"
"#), @r##"
        error impossible-quorum 4:1 `k_result` is 5, but there are only 4 verifiers => write 4 or less, or add verifiers
        error fee-above-cap 7:1 a fee of 11 in class `simple` => write at most 10 or raise the class
        error balance-too-small 8:1 a requester reserves up to 600594 credits, it holds 100000 => write `balance = 600594` in `[cluster]`, or smaller budgets
        error out-of-range 10:1 the bus delivers again after 5s, before an acknowledgement can be back => write at least "1m 20s"
        "##);
}

#[test]
fn a_suggested_duration_is_a_plain_one() {
    insta::assert_snapshot!(check(r#"
teaches = "t"
[protocol]
lease = "100s"
heartbeat = "50s"
[limits]
duration = "1h"
[phases]
fault = "1m 7ns"
"#), @r##"
        error heartbeat-too-slow 5:1 a heartbeat every 50s cannot renew a lease of 1m 40s each third of it => write "33s 333ms" or less
        error past-limit 7:1 the phases take 3d 2m 7ns, but the run is stopped after 1h => write `duration = "3d 2m 1ms"` in `[limits]` or shorten a phase
        "##);
}

#[test]
fn the_file_s_name_is_a_name_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my file.toml");
    std::fs::write(&path, "teaches = \"t\"\n").unwrap();
    insta::assert_snapshot!(told(&lint(&path)), @r##"error bad-name 1:1 `my file`, the file's name, is no name of a scenario => add a `name` of at most 64 of a-z, 0-9 and `-`, or rename the file: it names reports"##);
}

#[test]
fn a_file_of_one_long_line_is_shown_without_a_crash() {
    let text = format!("teaches = \"t\"\nseed = {}x\nname = \"{}\"\n", " ".repeat(100_000), "n".repeat(100_000));
    let failure = load_text(Path::new("x.toml"), text).unwrap_err();
    let mut shown = String::new();
    let plain = miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::none());
    plain.render_report(&mut shown, &failure).unwrap();
    assert!(shown.contains("x.toml:2:"), "{shown}");
}

#[test]
fn those_who_lie() {
    insta::assert_snapshot!(check(r#"
teaches = "t"
[cluster]
workers = 2
[[adversaries]]
strategy = "wrong-result"
count = 2
[[adversaries]]
strategy = "always-pass"
count = 0
[[adversaries]]
strategy = "wrong-results"
[protocol]
watch_bp = 10_001
"#), @r##"
        error nobody-left 5:1 2 of 2 workers lie: nobody is left who would do it right => add workers, or let fewer of them lie
        error out-of-range 10:1 a `count` of 0 => write at least 1, or take the entry out
        error unknown-value 12:12 `wrong-results` is not known here => did you mean `wrong-result`?
        error out-of-range 14:1 `watch_bp` is 10001 => write a number from 0 to 10000
        "##);
    let said = check(
        r#"
teaches = "t"
[[adversaries]]
count = 2
[[adversaries]]
strategy = "silent"
any_of = ["forger"]
[properties]
pays = ["silent", "sybil"]
"#,
    );
    for what in ["neither `strategy` nor `any_of`", "both `strategy` and `any_of`", "nobody here acts as `sybil`"] {
        assert!(said.contains(what), "{what} in {said}");
    }
    insta::assert_snapshot!(check("teaches = \"t\"\n[properties]\ncheck = [\"P1\", \"P3\"]\n"), @"error vacuous 3:1 where nobody lies there is nothing to see of P3 => add `[[adversaries]]`, or leave P3 out");
}

#[test]
fn coordinators_that_lie() {
    let lying = |cluster: &str| {
        let lies = "[[adversaries]]\nstrategy = \"forker\"\n[[adversaries]]\nany_of = [\"silent-reveal\", \"early-stopwatch\"]";
        check(&format!("teaches = \"t\"\n[cluster]\n{cluster}\n{lies}\n"))
    };
    assert_eq!(lying("coordinators = 7\nliars_max = 2"), "");
    insta::assert_snapshot!(lying("coordinators = 7\nliars_max = 1"), @"error too-many-liars 5:1 2 of 7 coordinators lie, and the cluster bears 1 => write `liars_max = 2` in `[cluster]`, or let fewer of them lie");
}

/// What an error tells to write is right when it is written.
#[test]
fn a_mend_for_lying_coordinators_mends() {
    let lies = "[[adversaries]]\nstrategy = \"forker\"\n";
    let with = |cluster: &str| check(&format!("teaches = \"t\"\n[cluster]\n{cluster}\n{lies}"));
    let said = with("coordinators = 3");
    assert!(said.contains("write `liars_max = 1` and `coordinators = 5` in `[cluster]`"), "{said}");
    assert_eq!(with("liars_max = 1\ncoordinators = 5"), "");
    let said = with("liars_max = 1\ncoordinators = 3");
    assert!(said.contains("write `coordinators = 5` or more, or `liars_max = 0`"), "{said}");
}

/// Nor does an error send one to write what is refused in turn.
#[test]
fn a_mend_stays_within_bounds() {
    let of = |text: &str| check(&format!("teaches = \"t\"\n{text}"));
    let said = of("[cluster]\ncoordinators = 3\nliars_max = 4294967295\n");
    assert!(said.ends_with("=> write `liars_max = 0`"), "{said}");
    let said = of("[limits]\nmax_needs = 100000\n[workload]\nneeds = 100000\nbudget = 1000000000\n");
    assert!(said.contains("=> write smaller budgets, or fewer needs: there are not so many credits"), "{said}");
    let said = of("[protocol]\nwatch_bp = -1\n");
    assert!(said.ends_with("=> write a whole number from 0 to 10000"), "{said}");
    let said = of("[[adversaries]]\nstrategy = \"silent\"\ncount = -1\n");
    assert!(said.ends_with("=> write a whole number from 1 to 10000"), "{said}");
}

#[test]
fn a_word_that_is_not_known_is_told_once() {
    let of = |text: &str| check(&format!("teaches = \"t\"\n{text}"));
    for list in [r#"["wrong-resalt"]"#, r#"["always-pass", "nonsense"]"#, r#""always-pass""#] {
        let said = of(&format!("[[adversaries]]\nany_of = {list}\n"));
        assert!(said.starts_with("error ") && said.lines().count() == 1 && !said.contains("neither"), "{said}");
    }
    let said = of("[properties]\nsometimes = [\"lied-nonsense\"]\n");
    assert!(said.starts_with("error unknown-mark") && said.lines().count() == 1, "{said}");
    let said = of("[[adversaries]]\nstrategy = 3\n");
    assert!(said.contains("only a name can stand here => write one, in quotes"), "{said}");
}

#[test]
fn one_alone_splits_no_stake() {
    let with = |lies: &str| check(&format!("teaches = \"t\"\n[cluster]\nverifiers = 14\norgs = 14\n{lies}"));
    let one = "[[adversaries]]\nstrategy = \"stake-splitter\"\n";
    assert_eq!(with(&one.repeat(2)), "");
    let drawn = "[[adversaries]]\nany_of = [\"stake-splitter\", \"silent\"]\ncount = 4\n";
    for alone in [one, drawn] {
        let said = with(alone);
        assert!(said.starts_with("error vacuous 5:1 one `stake-splitter` alone has a whole stake"), "{said}");
    }
}

#[test]
fn what_a_terminal_would_obey_is_no_text() {
    let escape = r#"teaches = "red \u001b[31m""#;
    assert!(check(escape).contains("`teaches` is not one line of text"), "{}", check(escape));
    let twice = check("teaches = \"t\"\n[properties]\nends = [\"closed\", \"closed\"]\n");
    assert!(twice.contains("`closed` stands here twice"), "{twice}");
}

#[test]
fn lies_that_nothing_can_bring_about() {
    let with = |strategies: &[&str], workload: &str| {
        let lies = strategies.iter().map(|s| format!("[[adversaries]]\nstrategy = \"{s}\"\n")).collect::<String>();
        check(&format!("teaches = \"t\"\n{workload}{lies}"))
    };
    for alone in ["colluder", "front-runner", "shielder"] {
        let said = with(&[alone], "");
        assert!(said.contains("add workers that lie, as with `strategy = \"wrong-result\"`"), "{said}");
        assert_eq!(with(&[alone, "wrong-result"], ""), "");
    }
    for writer in ["contradictor", "false-citer", "schema-breaker"] {
        let said = with(&[writer], "[workload]\nrecipe = \"chain\"\ntasks = 2\n");
        assert!(said.contains("add `recipe = \"brief\"` in `[workload]`"), "{said}");
    }
}

#[test]
fn where_a_promise_ends() {
    let breaking = |adversaries: &str, property: &str, because: &str| {
        let of = format!("[[properties.breaks]]\nproperty = \"{property}\"\nbecause = \"{because}\"\n");
        check(&format!("teaches = \"t\"\n{adversaries}{of}"))
    };
    let liar = "[[adversaries]]\nstrategy = \"equivocator\"\n";
    assert_eq!(breaking(liar, "P3", "all of a panel lie"), "");
    insta::assert_snapshot!(breaking(liar, "P9", " "), @r"
    error missing-key 4:1 `because` is not one line of text => say in one line why the promise ends here
    error vacuous 4:1 the promise of P9 has no end => take it out: nothing may break it
    ");
    insta::assert_snapshot!(breaking("", "P3", "why"), @"error vacuous 2:1 where nobody lies nothing breaks P3 => add `[[adversaries]]`, or take it out");
}

#[test]
fn of_a_thousand_mistakes_the_first_hundred_are_told() {
    let text = format!("teaches = \"t\"\n{}", "[[faults]]\nkind = \"crush\"\n".repeat(1_000));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("many.toml"), text).unwrap();
    let report = lint(&folder.path().join("many.toml"));
    assert_eq!(report.errors.len(), 100);
    let last = &report.errors[99];
    assert!(last.what.contains("more in this file") && last.line > 100, "{last}");
}

#[test]
fn a_bus_that_never_rests() {
    insta::assert_snapshot!(check(r#"
teaches = "t"
[network]
delay = "0s"
[bus]
ack_wait = "1ns"
"#), @r##"error out-of-range 6:1 the bus delivers again after 1ns, before an acknowledgement can be back => write at least "1ms""##);
}

#[test]
fn needs_that_are_none() {
    insta::assert_snapshot!(check_needs(r#"
  
"#), @r#"error vacuous 1:1 the file holds no need => write one JSON object a line, such as {"recipe":"wordcount","parts":4}"#);
}

#[test]
fn files_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let codes = |path: &Path| lint(path).errors.iter().map(|f| f.code).collect::<Vec<_>>();
    assert_eq!(codes(&folder.path().join("missing.toml")), [Code::Unreadable]);
    assert_eq!(codes(folder.path()), [Code::Unreadable]);
    let path = folder.path().join("case.toml");
    std::fs::write(&path, b"teaches = \"\xff\"").unwrap();
    assert_eq!(codes(&path), [Code::Unreadable]);
    std::fs::write(&path, vec![b'#'; 2 << 20]).unwrap();
    assert_eq!(codes(&path), [Code::TooLarge]);
    std::fs::write(&path, b"").unwrap();
    assert_eq!(codes(&path), [Code::MissingKey]);
}

#[test]
fn too_many_needs_and_too_long_lines_are_refused() {
    let line = "{\"recipe\":\"wordcount\"}\n";
    assert_eq!(Needs::parse("n", line.repeat(10_000)).unwrap().lines.len(), 10_000);
    assert!(check_needs(&line.repeat(10_001)).starts_with("error too-large 10001:1"));
    let long = format!("{{\"recipe\":\"{}\"}}\n", "w".repeat(20_000));
    assert!(check_needs(&long).starts_with("error too-large 1:1"));
}

#[test]
fn bad_needs_are_shown_in_their_own_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("case.toml");
    std::fs::write(&path, "teaches = \"t\"\n[workload]\nneeds_file = \"n.jsonl\"\n").unwrap();
    std::fs::write(folder.path().join("n.jsonl"), "{\"recipe\":\"wordcount\"}\n{}\n").unwrap();
    let report = lint(&path);
    assert_eq!(report.errors.len(), 1);
    assert!(report.errors[0].file.ends_with("n.jsonl"));
    assert_eq!((report.errors[0].line, report.errors[0].code), (2, Code::MissingKey));
}

#[test]
fn two_files_of_one_name() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["a.toml", "b.toml"].map(|name| folder.path().join(name));
    for path in &paths {
        std::fs::write(path, "name = \"same\"\nteaches = \"t\"\n").unwrap();
    }
    let reports = swarm_scenarios::lint_all(&paths);
    assert!(reports[0].is_clean());
    assert_eq!(reports[1].errors[0].code, Code::DuplicateName);
}

#[test]
fn a_failure_prints_the_line_and_the_mend() {
    let failure = load_text(Path::new("x.toml"), "teaches = \"t\"\n[cluster]\nworker = 3\n").unwrap_err();
    assert_eq!(failure.to_string(), "x.toml: 1 error");
    let mut shown = String::new();
    let plain = miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::none());
    plain.render_report(&mut shown, &failure).unwrap();
    assert!(shown.contains("worker = 3"), "{shown}");
    assert!(shown.contains("did you mean `workers`?"), "{shown}");
    assert!(shown.contains("unknown-key"), "{shown}");
}

#[test]
fn more_coordinators_down_than_a_majority_can_spare() {
    insta::assert_snapshot!(check(r#"
teaches = "t"
[[faults]]
kind = "crash"
who = "coordinator:random"
at = ["10s", "1m"]
for = "20s"
[[faults]]
kind = "pause"
who = "coordinator:random"
at = "75s"
for = "20s"
[[faults]]
kind = "disk-full"
who = "coordinator:random"
at = "3m"
for = "20s"
"#), @"warning too-many-down 9:1 up to 2 of 3 coordinators may be out of work at once, a majority needs 2 => progress cannot be expected meanwhile: hit fewer, at other times, or add coordinators");
}

#[test]
fn a_network_that_takes_every_coordinator_out_of_work() {
    let warned = |register: &str, fault: &str| {
        let text = format!(
            "teaches = \"t\"\ncluster.register = \"{register}\"\n[[faults]]\nat = \"10s\"\nfor = \"1m\"\n{fault}"
        );
        let said = check(&text);
        let too_many = "warning too-many-down 6:1 up to 3 of 3 coordinators may be out of work at once";
        assert!(said.is_empty() || said.contains(too_many) || said.contains("no-effect"), "{said}");
        said.contains(too_many)
    };
    let all = [
        "kind = \"partition-isolate\"\nwho = \"bus\"",
        "kind = \"partition-one-way\"\nfrom = \"coordinator:all\"\nto = \"bus\"",
        "kind = \"partition-one-way\"\nfrom = \"bus\"\nto = \"coordinator:all\"",
        "kind = \"loss\"\nfrom = \"coordinator:all\"\nppm = 1_000_000",
        "kind = \"loss\"\nppm = [1, 1_000_000]",
        "kind = \"clog\"\nfrom = \"coordinator:all\"\nto = \"bus\"",
    ];
    // The register is a service, or the coordinators themselves.
    let service = [
        "kind = \"partition-isolate\"\nwho = \"register\"",
        "kind = \"partition-one-way\"\nfrom = \"coordinator:all\"\nto = \"register\"",
    ];
    let raft = ["kind = \"clog\"\nfrom = \"coordinator:all\"\nto = \"coordinator:all\""];
    let borne = [
        "kind = \"partition-isolate\"\nwho = \"store\"",
        "kind = \"partition-one-way\"\nfrom = \"coordinator:1\"",
        "kind = \"partition-one-way\"\nfrom = \"worker:all\"\nto = \"bus\"",
        "kind = \"partition-one-way\"\nfrom = \"coordinator:all\"\nto = \"store\"",
        "kind = \"loss\"\nfrom = \"coordinator:all\"\nppm = 900_000",
        "kind = \"delay\"\nfrom = \"coordinator:all\"\nextra = \"1s\"",
    ];
    for register in ["embedded", "raft", "etcd"] {
        let is_raft = register == "raft";
        all.iter().for_each(|fault| assert!(warned(register, fault), "{register}: {fault}"));
        borne.iter().for_each(|fault| assert!(!warned(register, fault), "{register}: {fault}"));
        service.iter().for_each(|fault| assert_eq!(warned(register, fault), !is_raft, "{register}: {fault}"));
        raft.iter().for_each(|fault| assert_eq!(warned(register, fault), is_raft, "{register}: {fault}"));
    }
}

/// What the lint proposes it takes.
#[test]
fn no_mend_is_refused_itself() {
    insta::assert_snapshot!(check("teaches = \"t\"\n[cluster]\nentry_batch = \"1h\"\n"), @r#"error out-of-range 3:1 `entry_batch` is 1h => write a duration from 0s to 10s"#);
    assert_eq!(check("teaches = \"t\"\n[cluster]\nentry_batch = \"10s\"\n"), "");
    assert_eq!(check("teaches = \"t\"\n[cluster]\nentry_batch = \"0s\"\n"), "");
    let said = check("teaches = \"t\"\n[protocol]\nlease = \"0s\"\n");
    assert!(said.contains("write a duration from 1m to") && !said.contains("heartbeat"), "{said}");
}

#[test]
fn an_alarm_that_nothing_can_raise() {
    let wanted = "teaches = \"t\"\n[properties]\ndata_loss = true\ncheck = [\"P1\"]\n";
    insta::assert_snapshot!(check(wanted), @"warning no-effect 3:1 nothing here loses what was acknowledged: the alarm that every run owes will be missing => add a fault `etcd-restore`, or take `data_loss` out");
    let restored = "cluster.register = \"etcd\"\n[[faults]]\nkind = \"etcd-restore\"\nat = \"10s\"\nfor = \"1s\"\nwithin = \"5s\"\n";
    let wanted = wanted.replace("teaches = \"t\"\n", &format!("teaches = \"t\"\n{restored}"));
    assert_eq!(check(&wanted), "");
}

#[test]
fn no_register_and_no_pool_bears_the_loss_of_its_quorum() {
    for register in ["embedded", "raft", "etcd"] {
        let two = format!(
            "teaches = \"t\"\ncluster.register = \"{register}\"\n\
             [[faults]]\nkind = \"quorum-swap\"\nat = \"10s\"\nfor = \"1m\"\n\
             [[faults]]\nkind = \"pause-leader\"\nat = \"30s\"\nfor = \"1m\"\n"
        );
        let said = check(&two);
        assert!(said.starts_with("warning too-many-down 8:1 up to 2 of 3 coordinators"), "{register}: {said}");
        assert_eq!(check(&two.replace("\"30s\"", "\"90s\"")), "", "one after the other is borne");
    }
    insta::assert_snapshot!(check(r#"
teaches = "t"
[cluster]
verifiers = 6
[[faults]]
kind = "failed-verifier"
who = "verifier:random"
count = 4
for = "20s"
[[faults]]
kind = "crash"
who = "verifier:0"
at = "10s"
for = "20s"
[[faults]]
kind = "pause"
who = "agent:random"
at = "10s"
for = "20s"
"#), @"warning too-many-down 16:1 up to 6 of 6 verifiers may be out of work at once, a quorum needs 1 => progress cannot be expected meanwhile: hit fewer, at other times, or add verifiers");
}

#[test]
fn what_is_drawn_must_be_there_and_be_borne() {
    insta::assert_snapshot!(check(r#"
teaches = "t"
[chaos]
budget = 5
kinds = []
down_max = 2
"#), @"
    error vacuous 5:1 there is nothing to draw from => name some kinds, or leave the key out to draw from all
    warning too-many-down 6:1 2 of 3 coordinators may be out of work at once, a majority needs 2 => progress cannot be expected meanwhile: write 1 or less, or add coordinators
    ");
    insta::assert_snapshot!(check(r#"
teaches = "t"
[chaos]
kinds = ["crash"]
"#), @"warning no-effect 3:2 without a budget nothing is drawn => write `budget = 10`");
}

#[test]
fn a_fault_without_teeth_is_named() {
    insta::assert_snapshot!(check(r#"
teaches = "t"
[cluster]
coordinators = 1
[[faults]]
kind = "filter"
traffic = "raft"
for = "20s"
[[faults]]
kind = "quorum-swap"
for = "20s"
[[faults]]
kind = "zombie-worker"
who = "worker:all"
for = "20s"
[[faults]]
kind = "disk-full"
who = "bus"
for = "20s"
"#), @"
    error bad-target 18:1 `bus` is no host of a node => aim at coordinators or agents; services have faults of their own, such as `bus-leader-change`
    warning no-effect 7:1 `raft` cannot bite the register `embedded`: nobody says it => filter `submit` or `entry`
    warning no-effect 10:1 `quorum-swap` cannot bite a single coordinator => write `coordinators = 3` or more
    warning no-effect 15:1 a worker that sleeps at most 20s wakes within its lease of 5m => make it longer than `lease` of `[protocol]`, or shorten that
    ");
}

#[test]
fn a_fault_of_etcd_wants_an_etcd() {
    insta::assert_snapshot!(check(r#"
teaches = "x"
[cluster]
register = "etdc"
"#), @"error unknown-value 4:12 `etdc` is not known here => did you mean `etcd`?");
    insta::assert_snapshot!(check(r#"
teaches = "x"
[[faults]]
kind = "etcd-unknown"
for = "9s"
ppm = 5
[[faults]]
kind = "etcd-leader-change"
for = "9s"
who = "worker:0"
[properties]
sometimes = ["write-found-later"]
[chaos]
budget = 3
kinds = ["loss", "etcd-slow"]
"#), @r##"
        error no-effect 4:1 `etcd-unknown` cannot bite: the register is `embedded` => write `register = "etcd"` in `[cluster]`
        error no-effect 8:1 `etcd-leader-change` cannot bite: the register is `embedded` => write `register = "etcd"` in `[cluster]`
        error misplaced-key 10:1 `etcd-leader-change` takes no `who` => it takes only `at`, `for` and `count`
        error no-effect 15:18 `etcd-slow` cannot bite: the register is `embedded` => write `register = "etcd"` in `[cluster]`, or take it out
        warning no-effect 12:14 nothing in this scenario can bring `write-found-later` about => add `register = "etcd"` in `[cluster]`
        "##);
    insta::assert_snapshot!(check(r#"
teaches = "x"
cluster.register = "etcd"
[[faults]]
kind = "etcd-restore"
for = "9s"
within = "1s"
"#), @"warning missing-key 5:1 a restored etcd has lost what was acknowledged, and the run ends with that alarm => write `data_loss = true` in `[properties]` if that is what the scenario shows");
}

#[test]
fn what_nobody_remembers_any_more_nothing_brings_back() {
    insta::assert_snapshot!(check(r#"
teaches = "x"
cluster.coordinators = 3
[[faults]]
kind = "wipe-rejoin"
for = "9s"
who = "coordinator:all"
"#), @r"
    error too-many-down 5:1 what a majority of the 3 coordinators remembered would be gone, and nothing can restore it => wipe 1 or fewer at once; others when these have come back
    warning too-many-down 5:1 up to 3 of 3 coordinators may be out of work at once, a majority needs 2 => progress cannot be expected meanwhile: hit fewer, at other times, or add coordinators
    ");
}

#[test]
fn agents_are_bounded_in_all() {
    insta::assert_snapshot!(check(r#"
teaches = "x"
[cluster]
workers = 6_000
verifiers = 6_000
"#), @"error out-of-range 3:2 12006 agents in all; a scenario has at most 10000 => take fewer of some role");
}

#[test]
fn a_register_is_founded_anew_once_and_where_somebody_is_left() {
    insta::assert_snapshot!(check(r#"
teaches = "x"
cluster.register = "raft"
cluster.coordinators = 1
chaos.budget = 1
chaos.kinds = ["loss", "majority-lost"]
[[faults]]
kind = "register-split"
for = "9s"
count = 2
[[faults]]
kind = "wipe-rejoin"
who = "coordinator:0"
for = "9s"
"#), @r##"
    error no-effect 6:24 `majority-lost` cannot bite by chance: a register is founded anew once in a run, where a scenario says so => write it as a fault of its own
    error nobody-left 8:1 who holds less than a majority here holds nothing => write `coordinators = 3` or more
    error too-many-down 8:1 a register is founded anew once in a run, and on what all its seats' first holders left => take the other faults that touch seats out, or show them in scenarios of their own
    error nobody-left 12:1 the only coordinator's disk is the register: nobody is left to take a mandate => write `coordinators = 3` or more
    error too-many-down 12:1 what a majority of the 1 coordinators remembered would be gone, and nothing can restore it => wipe 0 or fewer at once; others when these have come back
    warning too-many-down 12:1 up to 1 of 1 coordinators may be out of work at once, a majority needs 1 => progress cannot be expected meanwhile: hit fewer, at other times, or add coordinators
    "##);
}

#[test]
fn a_restore_by_chance_wants_its_alarm() {
    let text = |data_loss: &str| {
        let chaos = "[chaos]\nbudget = 3\nkinds = [\"loss\", \"etcd-restore\"]";
        format!("teaches = \"t\"\n[cluster]\nregister = \"etcd\"\n{chaos}\n[properties]\n{data_loss}\n")
    };
    insta::assert_snapshot!(check(&text("")), @"error no-effect 6:18 `etcd-restore` is drawn only where the alarm that it ends in is wanted => write `data_loss = true` in `[properties]`, or take it out");
    assert!(!check(&text("data_loss = true")).contains("etcd-restore"));
}

#[test]
fn faults_that_cannot_bite_are_told() {
    insta::assert_snapshot!(check(r#"
teaches = "t"
[[faults]]
kind = "clock-jump"
who = "worker:0"
offset = "0s"
for = "1s"
[[faults]]
kind = "skew"
who = "worker:0"
drift_ppm = 0
for = "1s"
[[faults]]
kind = "disk-slow"
who = "worker:0"
extra = "0s"
for = "1s"
[[faults]]
kind = "slow-verifier"
who = "verifier:0"
factor = 1
for = "1s"
[[faults]]
kind = "bus-acked-then-lost"
within = "0s"
for = "1s"
"#), @r##"
        error vacuous 6:1 a clock that neither jumps ahead nor runs wrong: what runs a node never goes back, and a wall clock decides nothing => write more than nothing, or take the fault out
        error vacuous 11:1 a clock that neither jumps ahead nor runs wrong: what runs a node never goes back, and a wall clock decides nothing => write more than nothing, or take the fault out
        error vacuous 16:1 nothing is added => write more than nothing, or take the fault out
        error vacuous 21:1 a verifier that is as fast as ever => write more than nothing, or take the fault out
        error vacuous 25:1 nothing is young enough to be forgotten => write more than nothing, or take the fault out
        "##);
    insta::assert_snapshot!(check(r#"
teaches = "t"
[[faults]]
kind = "loss"
from = "worker:0"
to = "worker:0"
ppm = 5_000
for = "1s"
[[faults]]
kind = "clog"
from = "coordinator:0"
to = "worker:all"
for = "1s"
[[faults]]
kind = "partition-one-way"
from = "bus"
to = "store"
for = "1s"
"#), @r##"
        warning no-effect 6:1 `worker:0` says nothing to itself => name another on one side
        warning no-effect 12:1 `coordinator:0` says nothing to `worker:all`: everything goes through a service => name `bus`, `store` or `register` on one side
        warning no-effect 17:1 services do not speak to each other => name agents or coordinators on one side
        "##);
    insta::assert_snapshot!(check(r#"
teaches = "t"
[cluster]
register = "raft"
[[faults]]
kind = "partition-one-way"
from = "coordinator:0"
to = "coordinator:0"
for = "1s"
[[faults]]
kind = "partition-one-way"
from = "coordinator:0"
to = "coordinator:1"
for = "1s"
"#), @"warning no-effect 8:1 `coordinator:0` says nothing to itself => name another on one side");
}

#[test]
fn only_a_need_of_one_task_can_be_a_decoy() {
    let with = |workload: &str, check: &str| {
        let text = format!("teaches = \"t\"\n[workload]\n{workload}\n[properties]\n{check}\n");
        self::check(&text)
    };
    assert_eq!(with("recipe = \"single\"\ndecoys_bp = 200", "sometimes = [\"decoy-caught\"]"), "");
    insta::assert_snapshot!(with("decoys_bp = 200", ""), @"error conflicting-keys 3:1 only a need of one task can be a decoy => write `recipe = \"single\"`, or take `decoys_bp` out");
    insta::assert_snapshot!(with("recipe = \"single\"\ndecoys_bp = 10_001", ""), @"error out-of-range 4:1 `decoys_bp` is 10001 => write a number from 0 to 10000");
    insta::assert_snapshot!(with("", "check = [\"P1\", \"decoys\"]"), @"error vacuous 5:1 without decoys there is nothing to see of them => write `decoys_bp` in `[workload]`, or leave it out");
    insta::assert_snapshot!(with("", "sometimes = [\"decoy-caught\"]"), @"warning no-effect 5:14 nothing in this scenario can bring `decoy-caught` about => add `decoys_bp` in `[workload]`, and `recipe = \"single\"`");
}
