//! Children: none outlives its parent, whatever ends that.

use std::path::Path;
use std::process::Child;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::place::{Place, wait_for};

/// Ranks that never end, and have children of their own.
const ENDLESS: &str =
    r#"sleep 1000 & echo "$$" >> "$HERE/pids"; echo "$!" >> "$HERE/pids"; note "waiting"; wait"#;

fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
}

fn pids(place: &Place) -> Vec<String> {
    std::fs::read_to_string(place.at("pids")).unwrap().lines().map(str::to_owned).collect()
}

/// Whether a process is there and no zombie: those of a killed parent wait for whoever adopts them.
fn lives(pid: &str) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid).join("stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
}

#[test]
fn a_stop_ends_all_children_and_running_again_goes_on() {
    for stop in [Signal::SIGINT, Signal::SIGTERM] {
        let place = Place::of_the_repository();
        let train = std::fs::read_to_string(place.at("bin/train")).unwrap();
        place.stub("train", ENDLESS);
        let mut child = place.start(&["run"], 9, "waiting");
        signal(&child, stop);
        assert_eq!(child.wait().unwrap().code(), Some(143));
        assert_eq!(pids(&place).len(), 18);
        // Grandchildren were sent the signal too; the kernel may take a moment over it.
        wait_for("the end of the grandchildren", || !pids(&place).iter().any(|pid| lives(pid)));
        assert_eq!(
            (place.count("evaluate"), place.count("finalize")),
            (0, 0),
            "nothing was started after it"
        );

        std::fs::write(place.at("bin/train"), train).unwrap();
        place.selvedge(&["run"]).with(0);
        assert_eq!((place.count("ingest"), place.count("finalize Succeeded")), (1, 1));
    }
}

#[test]
fn children_end_with_a_parent_that_is_killed() {
    let place = Place::of_the_repository();
    place.stub("train", r#"echo "$$" >> "$HERE/pids"; note "waiting"; exec sleep 1000"#);
    let mut child = place.start(&["run"], 9, "waiting");
    signal(&child, Signal::SIGKILL);
    child.wait().unwrap();
    wait_for("the end of the children", || !pids(&place).iter().any(|pid| lives(pid)));
}

#[test]
fn a_child_that_ignores_sigterm_is_killed() {
    let place = Place::of_the_repository();
    place.candidates(&["cnn"]);
    place.stub(
        "train",
        r#"trap '' TERM; echo "$$" >> "$HERE/pids"; note "waiting"; while :; do sleep 0.05; done"#,
    );
    let mut child = place.start(&["run", "-p", "world=1", "--grace", "300ms"], 1, "waiting");
    signal(&child, Signal::SIGTERM);
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert!(!pids(&place).iter().any(|pid| lives(pid)));
}

#[test]
fn ranks_are_nicer_than_other_stages() {
    let place = Place::of_the_repository();
    place.stub("train", r#"note "niceness $(nice)""#);
    place.stub("promote", r#"note "other $(nice)""#);
    place.selvedge(&["run"]).with(0);
    assert_eq!((place.count("niceness 4"), place.count("other 1")), (9, 3), "{:?}", place.notes());
}

#[test]
fn nobody_inherits_our_own_variables() {
    let place = Place::of_the_repository();
    place.stub("ingest", r#"note "ingest ${STEP_WORLD-none} $STEP_LOG""#);
    let ended = place.command(&["run", "--log", "debug"]).env("STEP_WORLD", "9").output().unwrap();
    assert!(ended.status.success());
    assert_eq!(place.count("ingest none debug"), 1, "{:?}", place.notes());
}

/// Replicas and balancer as stubs: they listen, answer everything with 200, and note who they are.
const SERVER: &str = r#"note "$(basename "$0") $STEP_REPLICA $STEP_NAME $STEP_UPSTREAMS $(nice)"; echo "$$" >> "$HERE/pids"
exec python3 -c '
import http.server, os
class Any(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("content-length", "0"); self.end_headers()
host, port = os.environ["STEP_LISTEN"].split(":")
http.server.HTTPServer((host, int(port)), Any).serve_forever()'"#;

#[test]
fn serving_is_up_before_the_pipeline_begins_and_ends_with_it() {
    let place = Place::of_the_repository();
    for server in ["serve", "balance"] {
        place.stub(server, SERVER);
    }
    let mut child = place.start(&["run", "--serve", "--port", "0"], 1, "finalize");
    let notes = place.notes();
    let servers: Vec<_> = notes.iter().take_while(|note| !note.starts_with("fingerprint")).collect();
    assert_eq!(servers.len(), 4, "{notes:?}");
    let replica = servers.iter().find(|note| note.starts_with("serve serve-1 fashion-mnist")).unwrap();
    assert!(replica.ends_with(" 0"), "not nice: {replica}");
    let balancer = servers.iter().find(|note| note.starts_with("balance")).unwrap();
    assert!(
        balancer.contains("serve-0=http://127.0.0.1:") && balancer.contains(",serve-2=http://"),
        "{balancer}"
    );
    let promote = notes.iter().find(|note| note.starts_with("promote")).unwrap();
    assert!(promote.contains("http://127.0.0.1:"), "knows the balancer: {promote}");

    let replica = &pids(&place)[0];
    kill(Pid::from_raw(replica.parse().unwrap()), Signal::SIGKILL).unwrap();
    wait_for("a replica that was started again", || pids(&place).len() == 5);
    signal(&child, Signal::SIGINT);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(!pids(&place).iter().any(|pid| lives(pid)), "servers are left");
}

#[test]
fn a_replica_that_does_not_come_up_ends_everything() {
    let place = Place::of_the_repository();
    place.stub("serve", "echo 'store s3://nowhere: refused' >&2; exit 75");
    place.stub("balance", SERVER);
    let ended = place.selvedge(&["run", "--serve", "--port", "0"]).with(1);
    assert!(ended.stderr.contains("exit code 75: store s3://nowhere: refused"), "{}", ended.stderr);
    assert_eq!(place.count("fingerprint"), 0);
}
