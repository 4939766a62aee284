//! The decision rule by tables and by properties.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use selvedge_registry::{Choice, Contender, choose};
use selvedge_store::Digest;

const FLOOR: f64 = 0.8;
const RECORDS: usize = 1000;

/// A contender that is wrong on the records `wrong` of a thousand.
fn contender(name: &str, multiply_adds: u64, wrong: std::ops::Range<usize>) -> Contender {
    let right = (0..RECORDS).map(|record| !wrong.contains(&record)).collect();
    Contender { name: name.to_owned(), model: Digest::of(name), multiply_adds, right }
}

fn chosen(choice: &Choice) -> Option<Digest> {
    choice.model
}

#[test]
fn the_first_model_needs_the_floor_and_no_more() {
    let exactly = contender("cnn", 1, 0..200);
    let below = contender("dense", 1, 0..201);
    assert_eq!(chosen(&choose(None, &[exactly], FLOOR)), Some(Digest::of("cnn")));
    let refused = choose(None, &[below], FLOOR);
    assert_eq!(chosen(&refused), None);
    assert_eq!(
        refused.reason,
        "there is no champion, and the best candidate, dense (79.90 %), is below the floor of 80.00 %"
    );
}

#[test]
fn a_champion_falls_only_to_a_significantly_better_candidate() {
    let champion = contender("cnn", 1, 0..100);
    // The candidate is right on the first n records that the champion has wrong, and wrong nowhere else.
    // Exact two-sided: 2 * 2^-5 = 0.0625, 2 * 2^-6 = 0.03125.
    for (gained, stays) in [(0, true), (5, true), (6, false), (60, false)] {
        let candidate = contender("resnet", 1, gained..100);
        let choice = choose(Some(&champion), &[candidate], FLOOR);
        assert_eq!(choice.stays, stays, "{gained}: {}", choice.reason);
    }
    let worse = choose(Some(&champion), &[contender("dense", 1, 0..300)], FLOOR);
    assert!(worse.stays, "{}", worse.reason);
}

#[test]
fn the_reason_names_both_models_and_the_test() {
    let (champion, candidate) = (contender("cnn", 1, 0..100), contender("resnet", 1, 8..100));
    assert_eq!(
        choose(Some(&champion), &[candidate], FLOOR).reason,
        "champion cnn (90.00 %) is significantly worse than resnet (90.80 %): 8 records only the latter has right, \
         0 only the former, McNemar p = 0.0078; resnet (90.80 %) is chosen, nobody else is in the band"
    );
}

#[test]
fn among_equals_the_champion_stays_then_the_smallest_then_the_digest() {
    let (big, small) = (contender("cnn", 5_000, 0..100), contender("resnet", 3_000, 3..105));
    let (dense, twin) = (contender("dense", 200, 0..180), contender("twin", 3_000, 3..105));
    let all = [big.clone(), small.clone(), dense];
    let choice = choose(None, &all, FLOOR);
    assert_eq!((chosen(&choice), choice.band.len()), (Some(small.model), 2), "{}", choice.reason);
    let choice = choose(Some(&big), &all, FLOOR);
    assert!(choice.stays && choice.model == Some(big.model), "{}", choice.reason);
    let choice = choose(None, &[twin.clone(), small.clone()], FLOOR);
    assert_eq!(choice.model, Some(twin.model.min(small.model)));
}

#[test]
fn a_champion_that_ties_with_the_best_but_loses_to_another_falls() {
    // The best differs from the champion on 189 records, 100 to 89: luck. The second differs on 8, 8 to 0.
    let champion = contender("old", 1, 0..100);
    let (best, second) = (contender("best", 9, 200..289), contender("second", 5, 8..100));
    assert!(choose(Some(&champion), std::slice::from_ref(&best), FLOOR).stays);
    let choice = choose(Some(&champion), &[best.clone(), second.clone()], FLOOR);
    assert_eq!((choice.model, choice.band), (Some(second.model), vec![best.model, second.model]));
}

#[test]
fn nobody_at_all_chooses_nobody() {
    assert_eq!(choose(None, &[], FLOOR).model, None);
    let champion = contender("cnn", 1, 0..100);
    assert!(choose(Some(&champion), &[], FLOOR).stays);
}

#[test]
fn a_champion_below_the_floor_still_falls_to_a_better_candidate() {
    let (champion, candidate) = (contender("cnn", 1, 0..500), contender("resnet", 1, 0..250));
    assert_eq!(choose(Some(&champion), std::slice::from_ref(&candidate), FLOOR).model, Some(candidate.model));
}

/// Up to six contenders over 400 records, near each other: each is a common set of answers with some drawn anew and
/// some wrong ones put right, so that bands of every kind occur, intransitive ones too.
fn contenders() -> impl Strategy<Value = Vec<Contender>> {
    let base = prop::collection::vec(0..100_usize, 400);
    let draws = prop::collection::vec((0..100_usize, 0..100_usize), 400);
    let one = (0..4_u64, prop::sample::select(vec![0, 0, 10, 60]), 0..15_usize, draws);
    (base, prop::collection::vec(one, 1..7)).prop_map(|(base, all)| {
        let make = |(index, (cost, anew, gained, draws)): (usize, (u64, usize, usize, Vec<_>))| {
            let answer = |(base, (which, draw))| if which < anew { draw < 82 } else { base < 80 };
            let mut right: Vec<_> = base.iter().copied().zip(draws).map(answer).collect();
            right.iter_mut().filter(|right| !**right).take(gained).for_each(|right| *right = true);
            let name = format!("c{index}");
            Contender { model: Digest::of(&name), name, multiply_adds: cost, right }
        };
        all.into_iter().enumerate().map(make).collect()
    })
}

/// What a whole run does: every promote in turn over the champion of the moment, then finalize over the one at the
/// start. Tells the champion, and how many generations came of it.
fn run(start: Option<&Contender>, order: &[Contender]) -> (Option<Contender>, usize) {
    let find = |model| order.iter().chain(start).find(|c| Some(c.model) == model).cloned();
    let mut champion = start.cloned();
    let mut generations = 0;
    for candidate in order {
        let next = find(choose(champion.as_ref(), std::slice::from_ref(candidate), FLOOR).model);
        if let Some(next) = next.filter(|next| Some(next.model) != champion.as_ref().map(|c| c.model)) {
            champion = Some(next);
            generations += 1;
        }
    }
    let last = find(choose(start, order, FLOOR).model);
    generations += usize::from(last.as_ref().map(|c| c.model) != champion.as_ref().map(|c| c.model));
    (last, generations)
}

proptest! {
    #[test]
    fn any_order_ends_with_one_champion_and_tomorrow_leaves_the_log_alone(
        (all, shuffled) in contenders().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        with_champion: bool,
    ) {
        let (start, all) = if with_champion { (all.first(), &all[1..]) } else { (None, &all[..]) };
        let shuffled: Vec<_> =
            shuffled.into_iter().filter(|c| start.is_none_or(|start| start.model != c.model)).collect();
        let (today, _) = run(start, all);
        let (other, _) = run(start, &shuffled);
        prop_assert_eq!(&today, &other);
        if let Some(today) = &today {
            let (tomorrow, generations) = run(Some(today), &shuffled);
            prop_assert_eq!((tomorrow.as_ref(), generations), (Some(today), 0));
        }
    }

    #[test]
    fn the_choice_is_in_the_band_and_the_best_accuracy_too(all in contenders()) {
        let choice = choose(None, &all, 0.0);
        let best = all.iter().map(Contender::score).max();
        let in_band = |c: &&Contender| choice.band.contains(&c.model);
        prop_assert!(choice.band.contains(&choice.model.unwrap()));
        prop_assert_eq!(all.iter().filter(in_band).map(Contender::score).max(), best);
    }
}
