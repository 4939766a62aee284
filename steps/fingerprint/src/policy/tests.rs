use Policy::{Content, Textbook, Tolerant};

use super::*;

const HOUR: u64 = 3600;

fn records(before: f64, after: f64) -> Option<Difference> {
    let what = format!("records {before} → {after} ({:+.1} %)", 100.0 * (after / before - 1.0));
    Some(Difference { moved: (after - before).abs() / before, what })
}

fn relabelled() -> Option<Difference> {
    Some(Difference { moved: 0.0, what: "relabelled".to_owned() })
}

fn decided(policy: Policy, age: u64, difference: Option<Difference>) -> String {
    let max_age = Duration::from_secs(30 * DAY);
    let rule = Rule { policy, max_age, max_change: 0.1, max_stale: None };
    let verdict = rule.decide(Duration::from_secs(age), difference.as_ref());
    assert_eq!(verdict.reuse, verdict.reason.starts_with("reuse"), "{}", verdict.reason);
    verdict.reason
}

#[test]
fn every_policy_on_every_kind_of_change() {
    let more = || records(60_000.0, 70_000.0);
    let few = || records(60_000.0, 61_200.0);
    let cases = [
        (Tolerant, 15 * DAY, None, "reuse: same content, 15 days old"),
        (Tolerant, 400 * DAY, None, "reuse: same content, 400 days old"),
        (Tolerant, 3 * DAY, relabelled(), "reuse (contents differ: relabelled): 3 days old, limit 30"),
        (Tolerant, 30 * DAY, relabelled(), "refresh (contents differ: relabelled): 30 days old, limit 30"),
        (
            Tolerant,
            DAY,
            few(),
            "reuse (contents differ: records 60000 → 61200 (+2.0 %)): 1 day old, limit 30",
        ),
        (Tolerant, 5 * HOUR, relabelled(), "reuse (contents differ: relabelled): 5 hours old, limit 30 days"),
        (Tolerant, 0, more(), "refresh: records 60000 → 70000 (+16.7 %)"),
        (Tolerant, 0, records(100.0, 90.0), "refresh: records 100 → 90 (-10.0 %)"),
        (Textbook, 15 * DAY, None, "reuse: 15 days old, limit 30"),
        (Textbook, 31 * DAY, None, "reuse: records moved by 0.0 %, limit 10 %"),
        (
            Textbook,
            DAY,
            more(),
            "reuse (contents differ: records 60000 → 70000 (+16.7 %)): 1 day old, limit 30",
        ),
        (
            Textbook,
            31 * DAY,
            relabelled(),
            "reuse (contents differ: relabelled): records moved by 0.0 %, limit 10 %",
        ),
        (
            Textbook,
            31 * DAY,
            more(),
            "refresh (contents differ: records 60000 → 70000 (+16.7 %)): 31 days old, limit 30, \
             records moved by 16.7 %, limit 10 %",
        ),
        (Content, 400 * DAY, None, "reuse: same content, 400 days old"),
        (Content, 0, relabelled(), "refresh: contents differ: relabelled"),
        (Content, 0, few(), "refresh: records 60000 → 61200 (+2.0 %)"),
    ];
    for (policy, age, difference, reason) in cases {
        assert_eq!(decided(policy, age, difference), reason);
    }
}

#[test]
fn what_is_stale_is_refreshed_whatever_the_policy_says() {
    let days = |days| Duration::from_secs(days * DAY);
    for policy in [Tolerant, Textbook, Content] {
        let rule = Rule { policy, max_age: days(30), max_change: 0.1, max_stale: Some(days(90)) };
        assert!(rule.decide(days(89), None).reuse);
        let stale = rule.decide(days(90), None);
        assert_eq!(
            (stale.reuse, stale.reason.as_str()),
            (false, "refresh: 90 days old, stale from 90 days on")
        );
        let both = rule.decide(days(91), relabelled().as_ref()).reason;
        assert_eq!(both, "refresh (contents differ: relabelled): 91 days old, stale from 90 days on");
    }
}
